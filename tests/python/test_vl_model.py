"""Qwen3-VL against transformers' own classes on tiny random models: every stage, many sizes of pictures."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llmdit
import parity
import pytest
import tiny_models
import tiny_vl_models
import torch
from llmdit import vl
from test_vl_image import picture

NAMES = list(tiny_vl_models.MODELS)
SIZES = [(1, 1), (1, 150), (150, 1), (17, 31), (64, 64), (64, 32), (100, 50), (200, 75), (96, 256), (600, 90)]
CASES = [(name, size) for name in NAMES for size in SIZES]


def prompt_ids(extractor: vl.VLEmbeddingExtractor, pixels: tuple[torch.Tensor, torch.Tensor], text: str) -> list[int]:
    merge = extractor.config.vision.spatial_merge_size
    tokens = int(pixels[1].prod()) // merge**2
    return extractor.tokenizer.encode(extractor.format(tokens, text, force_think_block=None))


@pytest.mark.parametrize("name, size", CASES)
def test_pixels_and_image_features(name: str, size: tuple[int, int], vl_references: Any, vl_extractors: Any) -> None:
    reference, extractor = vl_references(name), vl_extractors(name)
    want_pixels, grid = tiny_vl_models.preprocess(picture(*size), name)
    pixels = extractor.preprocess(picture(*size))
    assert torch.equal(pixels[0], want_pixels) and torch.equal(pixels[1], grid)
    with torch.no_grad():
        want = reference.model.visual(want_pixels, grid_thw=grid)
    embeddings, deepstack = extractor.image_features(pixels)
    parity.assert_close("vl image embeddings", embeddings, want.pooler_output, where=f"{name} {size}")
    assert len(deepstack) == len(want.deepstack_features)
    for i, (got, expected) in enumerate(zip(deepstack, want.deepstack_features, strict=True)):
        parity.assert_close("vl deepstack", got, expected, where=f"{name} {size} {i}")


@pytest.mark.parametrize("name, size", CASES)
def test_hidden_states_of_every_layer(name: str, size: tuple[int, int], vl_references: Any, vl_extractors: Any) -> None:
    reference, extractor = vl_references(name), vl_extractors(name)
    pixels = extractor.preprocess(picture(*size))
    ids = prompt_ids(extractor, pixels, "a red circle above a blue square")
    inputs = tiny_vl_models.reference_inputs(ids, picture(*size), name)
    positions, _ = reference.model.get_rope_index(
        inputs["input_ids"], inputs["mm_token_type_ids"], image_grid_thw=inputs["image_grid_thw"]
    )
    assert torch.equal(extractor.position_ids(ids, pixels), positions[:, 0])
    with torch.no_grad():
        want = reference(**inputs, output_hidden_states=True).hidden_states
    layers = list(range(len(want)))
    for layer, got in zip(layers, extractor.hidden_states(ids, pixels, layers), strict=True):
        parity.assert_close("vl hidden states", got, want[layer][0], where=f"{name} {size} layer {layer}")
    some = [-1, -2, 0, -2]
    for layer, got in zip(some, extractor.hidden_states(ids, pixels, some), strict=True):
        parity.assert_close("vl hidden states", got, want[layer][0], where=f"{name} {size} layer {layer}")


@pytest.mark.parametrize("name", NAMES)
def test_text_alone_is_plain_qwen3(name: str, vl_references: Any, vl_extractors: Any) -> None:
    ids = vl_extractors(name).tokenizer.encode("<|im_start|>user\na red circle<|im_end|>\n")
    with torch.no_grad():
        want = vl_references(name)(torch.tensor([ids]), output_hidden_states=True).hidden_states
    layers = list(range(len(want)))
    for layer, got in zip(layers, vl_extractors(name).hidden_states(ids, None, layers), strict=True):
        parity.assert_close("vl hidden states", got, want[layer][0], where=f"{name} text, layer {layer}")
    assert vl_extractors(name).position_ids(ids).tolist() == [list(range(len(ids)))] * 3


def test_sharded_and_half_precision_vl_folders(tmp_path: Path, vl_references: Any) -> None:
    import copy

    reference = vl_references("base")
    half = copy.deepcopy(reference).to(torch.bfloat16)
    tiny_vl_models.save_folder(half, "base", tmp_path / "bf16", max_shard_size="60KB")
    assert (tmp_path / "bf16/model.safetensors.index.json").exists()
    extractor = vl.VLEmbeddingExtractor.from_pretrained(tmp_path / "bf16")
    # On a CPU the numbers are those of float32 arithmetic on the rounded weights.
    rounded = copy.deepcopy(half).float()
    rounded.model.language_model.rotary_emb = reference.model.language_model.rotary_emb
    rounded.model.visual.rotary_pos_emb = reference.model.visual.rotary_pos_emb
    pixels = extractor.preprocess(picture(100, 50))
    ids = prompt_ids(extractor, pixels, "a circle")
    with torch.no_grad():
        want = rounded(**tiny_vl_models.reference_inputs(ids, picture(100, 50), "base"), output_hidden_states=True)
    got = extractor.hidden_states(ids, pixels, [-2])[0]
    parity.assert_close("vl hidden states of bf16 weights", got, want.hidden_states[-2][0])
    for options in ({"dtype": "float32"}, {"dtype": "float16"}, {"quantization": "int8"}):
        other = vl.VLEmbeddingExtractor.from_pretrained(tmp_path / "bf16", **options)
        error = parity.relative_error(other.hidden_states(ids, pixels, [-2])[0], want.hidden_states[-2][0])
        assert error < (0.1 if "quantization" in options else 2e-3), options


def test_names_without_the_outer_prefix(tmp_path: Path, vl_folders: Any, vl_extractors: Any) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(vl_folders("base"), tmp_path / "other")
    tensors = load_file(folder / "model.safetensors")
    renamed = {
        name.replace("model.visual.", "visual.").replace("model.language_model.", "language_model.model."): value
        for name, value in tensors.items()
    }
    save_file(renamed | {"visual.extra": torch.zeros(2)}, folder / "model.safetensors")
    extractor = vl.VLEmbeddingExtractor.from_pretrained(folder)
    assert extractor.unused_weights == ["visual.extra"]
    assert vl_extractors("base").unused_weights == []
    want, got = (e.image_features(e.preprocess(picture(64, 64)))[0] for e in (vl_extractors("base"), extractor))
    assert torch.equal(got, want)


def config_edits() -> dict[str, Callable[[dict], None]]:
    def edit(part: str, **values: Any) -> Callable[[dict], None]:
        return lambda config: (config[part] if part else config).update(values)

    return {
        "another model": edit("", model_type="qwen2_5_vl"),
        "a text encoder": edit("", model_type="qwen3"),
        "no vision_config": lambda config: config.pop("vision_config"),
        "no text_config": lambda config: config.pop("text_config"),
        "no depth": lambda config: config["vision_config"].pop("depth"),
        "depth 0": edit("vision_config", depth=0),
        "depth too large": edit("vision_config", depth=6),
        "depth text": edit("vision_config", depth="5"),
        "heads": edit("vision_config", num_heads=3),
        "odd heads": edit("vision_config", num_heads=16),
        "activation": edit("vision_config", hidden_act="relu"),
        "channels": edit("vision_config", in_channels=4),
        "positions no square": edit("vision_config", num_position_embeddings=143),
        "positions other square": edit("vision_config", num_position_embeddings=121),
        "taps fall": edit("vision_config", deepstack_visual_indexes=[2, 1, 4]),
        "taps outside": edit("vision_config", deepstack_visual_indexes=[1, 2, 5]),
        "taps negative": edit("vision_config", deepstack_visual_indexes=[-1, 2, 4]),
        "taps missing": edit("vision_config", deepstack_visual_indexes=[1, 2, 3, 4]),
        "width": edit("vision_config", out_hidden_size=40),
        "patch": edit("vision_config", patch_size=8),
        "patch text": edit("vision_config", patch_size=[16, 16]),
        "huge": edit("vision_config", hidden_size=2**40),
        "text layers": edit("text_config", num_hidden_layers=9),
        "text type": edit("text_config", model_type="qwen3"),
        "image token": edit("", image_token_id=768),
        "other image token": edit("", image_token_id=735),
        "negative token": edit("", vision_start_token_id=-1),
        "mrope two": lambda config: config["text_config"]["rope_parameters"].update(mrope_section=[4, 4]),
        "mrope negative": lambda config: config["text_config"]["rope_parameters"].update(mrope_section=[4, -2, 6]),
        "mrope in blocks": lambda config: config["text_config"]["rope_parameters"].update(mrope_interleaved=False),
    }


@pytest.mark.parametrize("case", config_edits())
def test_malformed_configurations_are_refused(case: str, tmp_path: Path, vl_folders: Any) -> None:
    folder = shutil.copytree(vl_folders("base"), tmp_path / "bad")
    tiny_models.edit_json(folder / "config.json", config_edits()[case])
    with pytest.raises(NotImplementedError, match="expected"):
        vl.VLEmbeddingExtractor.from_pretrained(folder)


def test_settings_that_do_not_fit_the_model(tmp_path: Path, vl_folders: Any) -> None:
    folder = shutil.copytree(vl_folders("base"), tmp_path / "bad")
    tiny_models.edit_json(folder / "preprocessor_config.json", lambda settings: settings.update(merge_size=3))
    with pytest.raises(NotImplementedError, match="preprocessor_config.json to be those of vision_config"):
        vl.VLEmbeddingExtractor.from_pretrained(folder)
    for missing in ("config.json", "preprocessor_config.json", "model.safetensors", "tokenizer.json"):
        folder = shutil.copytree(vl_folders("base"), tmp_path / missing)
        for file in [missing] + (["merges.txt", "vocab.json"] if missing.startswith("tok") else []):
            (folder / file).unlink(missing_ok=True)
        with pytest.raises(FileNotFoundError, match=missing.split(".")[0]):
            vl.VLEmbeddingExtractor.from_pretrained(folder)


def test_norms_of_the_wrong_merger_are_refused(tmp_path: Path, vl_folders: Any) -> None:
    """The main merger's norm is as wide as a patch, those of deepstack as a block of patches."""
    from safetensors.torch import load_file, save_file

    for name in ("model.visual.merger.norm.weight", "model.visual.deepstack_merger_list.0.norm.weight"):
        folder = shutil.copytree(vl_folders("base"), tmp_path / name)
        tensors = load_file(folder / "model.safetensors")
        width = tensors[name].numel()
        tensors[name] = torch.ones(width * 4 if width == 32 else width // 4)
        save_file(tensors, folder / "model.safetensors")
        with pytest.raises(NotImplementedError, match=f"expected '{name}'"):
            vl.VLEmbeddingExtractor.from_pretrained(folder)


def test_files_without_the_vision_part_say_so(tmp_path: Path, vl_folders: Any) -> None:
    import gguf
    import numpy as np
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(vl_folders("base"), tmp_path / "text")
    tensors = load_file(folder / "model.safetensors")
    save_file({n: t for n, t in tensors.items() if "visual" not in n}, folder / "model.safetensors")
    with pytest.raises(NotImplementedError, match=r"vision weights \(model.visual.\*\).*found none"):
        vl.VLEmbeddingExtractor.from_pretrained(folder)

    for names, told in (
        (["token_embd.weight", "blk.0.attn_q.weight"], "language part"),
        (["v.blk.0.ln1.weight"], "mmproj"),
    ):
        folder = shutil.copytree(vl_folders("base"), tmp_path / told)
        (folder / "model.safetensors").unlink()
        writer = gguf.GGUFWriter(folder / "model.gguf", "qwen3vl")
        for name in names:
            writer.add_tensor(name, np.zeros((32, 32), np.float32))
        writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
        with pytest.raises(NotImplementedError, match=f"(?s)vision weights.*{told}.*mmproj"):
            vl.VLEmbeddingExtractor.from_pretrained(folder)


def test_a_text_encoder_of_this_kind_is_taken_deliberately_only(vl_folders: Any) -> None:
    with pytest.raises(NotImplementedError, match="expected model_type 'qwen3'"):
        llmdit.ZImageTextEncoder.from_pretrained(vl_folders("base"), tokenizer_path=vl_folders("base"))


def test_not_finite_weights_are_told(tmp_path: Path, vl_folders: Any) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(vl_folders("base"), tmp_path / "nan")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.visual.blocks.0.mlp.linear_fc1.bias"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors")
    extractor = vl.VLEmbeddingExtractor.from_pretrained(folder)
    with pytest.raises(llmdit.Error, match="not finite"):
        extractor.extract(picture(32, 32))


def test_sequences_that_do_not_fit_the_picture(vl_extractors: Any) -> None:
    extractor = vl_extractors("base")
    pixels = extractor.preprocess(picture(64, 64))
    image = tiny_vl_models.IMAGE_TOKEN
    for ids in ([1, image], [1, *[image] * 3, 2, image], [1, 2], [image] * 5):
        with pytest.raises(ValueError, match="image tokens"):
            extractor.hidden_states(ids, pixels, [-1])
    for ids in ([], [-1], [768]):
        with pytest.raises(ValueError, match="expected"):
            extractor.hidden_states(ids, None, [-1])
    for layers in ([], [9], [-10]):
        with pytest.raises(ValueError, match="expected"):
            extractor.hidden_states([1, 2], None, layers)
    values, grid = pixels
    for bad in (
        (values[:-1], grid),
        (values[:, :-1], grid),
        (values, grid * 0),
        (values, grid * 2),
        (values.int(), grid),
    ):
        with pytest.raises(ValueError, match="expected"):
            extractor.image_features(bad)
    with pytest.raises(ValueError):
        extractor.image_features((values, torch.tensor([1, 2])))


def test_config_is_readable(vl_folders: Any, vl_extractors: Any) -> None:
    config = vl_extractors("base").config
    assert config.vision.deepstack_visual_indexes == [1, 2, 4] and config.text.num_hidden_layers == 8
    assert config.mrope_section == [4, 2, 2] and config.image_token_id == tiny_vl_models.IMAGE_TOKEN
    assert json.loads((vl_folders("base") / "config.json").read_text())["text_config"]["hidden_size"] == 48
    assert "8 layers" in repr(vl_extractors("base"))
