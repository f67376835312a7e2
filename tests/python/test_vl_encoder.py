"""Reading pictures: which rows are taken, and what is done with them, beside the formulas written out."""

import shutil
import threading
from pathlib import Path
from typing import Any

import llmdit
import pytest
import tiny_models
import tiny_vl_models
import torch
from llmdit import vl
from test_vl_image import picture

RED = torch.tensor([200, 30, 30], dtype=torch.uint8).view(3, 1, 1).expand(3, 96, 128).contiguous()


@pytest.fixture(scope="module")
def extractor(vl_extractors: Any) -> vl.VLEmbeddingExtractor:
    return vl_extractors("base")


@pytest.fixture(scope="module")
def statistics() -> vl.ReferenceStatistics:
    generator = torch.Generator().manual_seed(7)
    rows = torch.randn(40, 48, generator=generator) * torch.linspace(0.5, 3, 48) + 0.2
    return vl.ReferenceStatistics.compute(rows)


def states(
    extractor: vl.VLEmbeddingExtractor, result: vl.VLExtraction, image: Any = RED, layer: int = -6
) -> torch.Tensor:
    pixels = extractor.preprocess(image)
    return extractor.hidden_states(result.input_token_ids, pixels, [layer])[0]


def markers(result: vl.VLExtraction) -> tuple[int, int]:
    ids = result.input_token_ids
    end = ids.index(tiny_vl_models.VISION_END)
    return max(i for i in range(end) if ids[i] == tiny_vl_models.VISION_START), end


def test_defaults_take_all_rows_of_layer_6_from_the_end(extractor: vl.VLEmbeddingExtractor) -> None:
    result = extractor.extract(RED, "a wall")
    assert (result.hidden_layer, result.token_selection, result.normalization_mode) == (-6, "all", "global")
    assert (result.outlier_masking, result.outlier_threshold, result.masked_dimensions) == ("none", 10.0, None)
    assert result.text_description == "a wall" and result.model_variant == "instruct" and not result.system_prompt
    plain = states(extractor, result)
    assert result.num_tokens == len(result.input_token_ids) == len(plain)
    torch.testing.assert_close(result.embeddings, plain * 61.0 / plain.std())
    assert result.original_std == pytest.approx(plain.std().item(), rel=1e-5)
    assert result.scaled_std == pytest.approx(61, rel=1e-5)
    assert result.scale_factor == pytest.approx(61 / plain.std().item(), rel=1e-5)
    assert result.embeddings.dtype == torch.float32 and result.warnings == []


def test_the_prompt_is_the_models_own_form(extractor: vl.VLEmbeddingExtractor, vl_extractors: Any) -> None:
    pads = "<|image_pad|>" * 12
    turn = f"<|im_start|>user\n<|vision_start|>{pads}<|vision_end|>a wall<|im_end|>\n<|im_start|>assistant\n"
    block = "<think>\n\n</think>\n\n"
    assert extractor.extract(RED, "a wall").full_prompt_with_tokens == turn + block
    assert extractor.extract(RED, "a wall", force_think_block=True).full_prompt_with_tokens == turn + block
    assert extractor.extract(RED, "a wall", force_think_block=False).full_prompt_with_tokens == turn
    assert extractor.extract(RED).full_prompt_with_tokens == turn.replace("a wall", "") + block
    system = extractor.extract(RED, "a wall", system_prompt="Look.")
    assert system.full_prompt_with_tokens == "<|im_start|>system\nLook.<|im_end|>\n" + turn + block
    assert system.system_prompt == "Look."
    assert system.input_token_ids == extractor.tokenizer.encode(system.full_prompt_with_tokens)

    thinking = vl_extractors("wide")
    assert thinking.model_variant == "thinking"
    result = thinking.extract(RED, "a wall")
    assert result.full_prompt_with_tokens.endswith("<|im_start|>assistant\n<think>\n")
    assert result.chat_template_format != extractor.extract(RED).chat_template_format
    with pytest.raises(ValueError, match="think block"):
        thinking.extract(RED, force_think_block=True)


def test_the_prompt_is_that_of_the_template(extractor: vl.VLEmbeddingExtractor, vl_folders: Any) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_models.DEMO_TOKENIZER)
    content = [{"type": "image"}, {"type": "text", "text": "a wall"}]
    for messages in ([], [{"role": "system", "content": "Look."}]):
        want = tokenizer.apply_chat_template(
            [*messages, {"role": "user", "content": content}],
            chat_template=tiny_vl_models.INSTRUCT_TEMPLATE,
            add_generation_prompt=True,
            tokenize=False,
        )
        got = extractor.format(1, "a wall", system_prompt="Look." if messages else "", force_think_block=False)
        assert got == want


@pytest.mark.parametrize("selection", ["all", "image_only", "image_only_no_markers", "text_only"])
def test_selections(extractor: vl.VLEmbeddingExtractor, selection: str) -> None:
    result = extractor.extract(RED, "a wall", token_selection=selection, scale_to_text=False, hidden_layer=-2)
    start, end = markers(result)
    plain = states(extractor, result, layer=-2)
    want = {
        "all": plain,
        "image_only": plain[start : end + 1],
        "image_only_no_markers": plain[start + 1 : end],
        "text_only": torch.cat([plain[:start], plain[end + 1 :]]),
    }[selection]
    assert torch.equal(result.embeddings, want)
    assert result.num_tokens == len(want) and result.token_selection == selection
    assert result.scale_factor == 1 and result.scaled_std == result.original_std
    old = {"image_only": "image_tokens_only", "image_only_no_markers": "image_tokens_no_markers"}
    old["text_only"] = "text_tokens_only"
    if selection in old:
        same = extractor.extract(RED, "a wall", **{old[selection]: True}, scale_to_text=False, hidden_layer=-2)
        assert torch.equal(same.embeddings, want)


def test_one_selection_at_most(extractor: vl.VLEmbeddingExtractor) -> None:
    assert extractor.extract(RED, text_tokens_only=False, image_tokens_only=True).token_selection == "image_only"
    for two in (
        {"image_tokens_only": True, "text_tokens_only": True},
        {"image_tokens_only": True, "token_selection": "all"},
    ):
        with pytest.raises(ValueError, match="one selection"):
            extractor.extract(RED, **two)


def test_scaling(extractor: vl.VLEmbeddingExtractor, statistics: vl.ReferenceStatistics) -> None:
    plain = extractor.extract(RED, scale_to_text=False).embeddings
    for options, want in (
        ({"target_std": 5.0}, vl.scale_embeddings(plain, 5.0)),
        ({"statistics": statistics}, vl.scale_embeddings(plain, statistics.global_std)),
        ({"statistics": statistics, "target_std": 5.0}, vl.scale_embeddings(plain, 5.0)),
        (
            {"statistics": statistics, "normalization_mode": "per_dim"},
            vl.normalize_per_dimension(plain, stats=statistics),
        ),
        ({"statistics": statistics, "normalization_mode": "hybrid"}, vl.normalize_hybrid(plain, stats=statistics)),
    ):
        result = extractor.extract(RED, **options)
        assert torch.equal(result.embeddings, want)
        assert result.scaled_std == pytest.approx(want.std().item(), rel=1e-5)
        assert result.scale_factor == pytest.approx((want.std() / plain.std()).item(), rel=1e-5)


@pytest.mark.parametrize("mode", ["zero", "clamp", "scale"])
def test_outliers_of_the_picture_are_masked_before_selection(
    extractor: vl.VLEmbeddingExtractor, statistics: vl.ReferenceStatistics, mode: str
) -> None:
    noise = picture(96, 128)
    plain = extractor.extract(noise, "a wall", scale_to_text=False)
    start, end = markers(plain)
    want, info = vl.mask_outlier_dimensions(
        plain.embeddings[start + 1 : end], threshold=0.5, mode=mode, stats=statistics
    )
    assert 0 < len(info.masked_dimensions) < 48
    whole = plain.embeddings.clone()
    whole[start + 1 : end] = want
    options = {"outlier_masking": mode, "outlier_threshold": 0.5, "statistics": statistics, "scale_to_text": False}
    result = extractor.extract(noise, "a wall", **options)
    assert torch.equal(result.embeddings, whole)
    assert result.masked_dimensions == info.masked_dimensions and result.masked_dim_ratios == info.ratios
    assert result.outlier_masking == mode and result.original_std != plain.original_std
    assert torch.equal(extractor.extract(noise, "a wall", **options, token_selection="image_only").embeddings,
                       whole[start : end + 1])  # fmt: skip
    # The cache holds the states as they were.
    assert torch.equal(extractor.extract(noise, "a wall", scale_to_text=False).embeddings, plain.embeddings)


def test_statistics_are_asked_for(extractor: vl.VLEmbeddingExtractor, statistics: vl.ReferenceStatistics) -> None:
    for options in ({"outlier_masking": "zero"}, {"normalization_mode": "per_dim"}, {"normalization_mode": "hybrid"}):
        with pytest.raises(ValueError, match="encode --statistics"):
            extractor.extract(RED, **options)
    other = vl.ReferenceStatistics.compute(torch.randn(9, 40))
    with pytest.raises(ValueError, match="expected"):
        extractor.extract(RED, normalization_mode="per_dim", statistics=other)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_layer": 9},
        {"hidden_layer": -10},
        {"token_selection": "some"},
        {"normalization_mode": "none"},
        {"outlier_masking": "drop"},
        {"target_std": 0},
        {"target_std": -1},
        {"target_std": float("nan")},
        {"outlier_threshold": -1},
    ],
)
def test_options_out_of_range_are_refused(extractor: vl.VLEmbeddingExtractor, options: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        extractor.extract(RED, **options)


def test_other_bad_input_is_refused(extractor: vl.VLEmbeddingExtractor) -> None:
    for part in ("<|image_pad|>", "<|vision_start|>", "<|vision_end|>"):
        for options in ({"text": f"a {part}"}, {"system_prompt": part}):
            with pytest.raises(ValueError, match="expected a text without"):
                extractor.extract(RED, **options)
    for bad in (torch.zeros(3, 0, 0), torch.zeros(1, 8, 8), torch.zeros(3, 1, 300, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="expected"):
            extractor.extract(bad)
    with pytest.raises(TypeError):
        extractor.extract(5)
    with pytest.raises(TypeError, match="hidden_layer"):
        extractor.extract(RED, hiden_layer=-2)
    with pytest.raises(FileNotFoundError):
        extractor.extract("/nowhere.png")


def test_one_pixel_and_long_pictures(extractor: vl.VLEmbeddingExtractor) -> None:
    for size in ((1, 1), (1, 200), (200, 1)):
        result = extractor.extract(picture(*size), token_selection="image_only_no_markers")
        rows, columns = vl.smart_resize(*size, 32, min_pixels=4096, max_pixels=65536)
        assert result.num_tokens == rows // 32 * (columns // 32)
        assert torch.isfinite(result.embeddings).all()


def test_states_are_kept_by_content(vl_folders: Any, tmp_path: Path) -> None:
    from PIL import Image

    extractor = vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"), cache_size=2)
    first = extractor.extract(RED, "a wall")
    assert not first.from_cache
    Image.fromarray(RED.permute(1, 2, 0).numpy()).save(tmp_path / "red.png")
    again = extractor.extract(tmp_path / "red.png", "a wall", token_selection="image_only")  # the same pixels
    assert again.from_cache
    assert torch.equal(extractor.extract(RED, "a wall").embeddings, first.embeddings)
    changed = RED.clone()
    changed[0, 0, 0] = 0
    for other in ((changed, "a wall", {}), (RED, "a house", {}), (RED, "a wall", {"hidden_layer": -2}),
                  (RED, "a wall", {"system_prompt": "x"}), (RED, "a wall", {"force_think_block": False})):  # fmt: skip
        assert not extractor.extract(other[0], other[1], **other[2]).from_cache
    assert not extractor.extract(RED, "a wall").from_cache  # two are kept
    none = vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"), cache_size=0)
    assert not none.extract(RED).from_cache and not none.extract(RED).from_cache
    with pytest.raises(ValueError, match="cache_size"):
        vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"), cache_size=-1)


def test_a_folder_that_holds_no_qwen3_vl(folders: Any, vl_folders: Any, tmp_path: Path) -> None:
    expected = "expected a folder of Qwen3-VL as published, found no preprocessor_config.json in"
    for folder in (folders("base"), folders("base") / "text_encoder"):
        with pytest.raises(llmdit.NotFound, match=expected):
            vl.VLEmbeddingExtractor.from_pretrained(folder)
    (tmp_path / "vl_encoder").symlink_to(vl_folders("base"))
    with pytest.raises(llmdit.NotFound, match=f"the model is in {tmp_path / 'vl_encoder'}$"):
        vl.VLEmbeddingExtractor.from_pretrained(tmp_path)


def test_unloading(vl_folders: Any) -> None:
    extractor = vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"))
    want = extractor.extract(RED)
    assert extractor.is_loaded
    extractor.unload()
    assert not extractor.is_loaded
    assert torch.equal(extractor.extract(RED).embeddings, want.embeddings)  # kept
    with pytest.raises(RuntimeError, match="closed; load it again"):
        extractor.extract(RED, "something else")
    lazy = vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"), auto_unload=True, cache_size=0)
    for _ in range(2):
        assert torch.equal(lazy.extract(RED).embeddings, want.embeddings)
        assert not lazy.is_loaded


def test_threads_agree(vl_folders: Any) -> None:
    extractor = vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"), auto_unload=True, cache_size=1)
    pictures = [picture(64, 32 + 16 * i) for i in range(4)]
    want = [extractor.extract(p).embeddings for p in pictures]
    got: dict[int, torch.Tensor] = {}

    def work(i: int) -> None:
        got[i] = extractor.extract(pictures[i % 4]).embeddings

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(got[i], want[i % 4]) for i in range(8))


def test_a_tokenizer_of_another_model_is_refused(vl_folders: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(vl_folders("base"), tmp_path / "other")
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("<|image_pad|>", "<|picture_pad|>"))
    with pytest.raises(NotImplementedError, match="image_pad"):
        vl.VLEmbeddingExtractor.from_pretrained(folder)


def test_options_of_loading(vl_folders: Any) -> None:
    with pytest.raises(FileNotFoundError):
        vl.VLEmbeddingExtractor.from_pretrained("/nowhere")
    with pytest.raises(ValueError, match="vl_model_path"):
        vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"), vl_model_path="x")
    with pytest.raises(TypeError, match="device"):
        vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base"), devise="cpu")
    assert isinstance(llmdit.Error("x"), RuntimeError)
