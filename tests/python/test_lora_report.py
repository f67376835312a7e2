"""What of a LoRA file has no use is told, and what cannot be used is refused."""

import shutil
from pathlib import Path

import llmdit
import numpy as np
import pytest
import torch
from lora_files import (
    FAMILIES,
    MODULES,
    RANK,
    SMALL,
    Q,
    assert_original,
    assert_weights,
    dotted,
    fused,
    merged,
    pairs,
    peft,
    save,
    underscored,
)
from parity import relative_error


@pytest.fixture
def pipe(folders):
    return llmdit.ZImagePipeline.from_pretrained(folders("base"))


def test_a_lora_is_not_taken_for_a_model(lora, folders, tmp_path):
    """Field report L15: the last parts of the keys count, not the first."""
    path = save(peft(lora, "diffusion_model."), tmp_path / "x.safetensors")
    assert llmdit.inspect(path).model == "LoRA"
    with pytest.raises(llmdit.Unsupported, match="LoRA"):
        llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)


def test_a_lora_of_another_model(pipe, base, tmp_path):
    """Field report L11."""
    state = {"lora_unet_single_blocks_0_linear1.lora_down.weight": torch.ones(4, 64)}
    state["lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight"] = torch.ones(64, 4)
    with pytest.raises(llmdit.Unsupported, match=r"x\.safetensors.*Flux.*none of its 2 keys.*lora_unet_"):
        pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert pipe.loras == []
    with pytest.raises(llmdit.Unsupported, match=r"expected a LoRA.*ZImageTransformer2DModel"):
        pipe.load_lora(save(base, tmp_path / "model.safetensors"))
    assert_original(pipe, base)


@pytest.mark.parametrize("family", FAMILIES)
def test_inspect_tells_what_a_file_changes(family, lora, tmp_path):
    info = llmdit.inspect(save(FAMILIES[family](lora), tmp_path / "x.safetensors"))
    (load,) = info.loads
    assert (info.model, load.component, load.problems, load.unused) == ("LoRA", "lora", [], [])
    changed = {name for tensor in info.tensors for name in tensor.becomes}
    assert changed == {module + ".weight" for module in MODULES}
    assert f"{len(MODULES) - 2 if 'fused' in family else len(MODULES)} modules" in load.sizes


def test_inspect_tells_what_has_no_place(lora, tmp_path):
    stray = {"lora_unet_single_blocks_0_linear1.lora_down.weight": torch.ones(4, 64)}
    (load,) = llmdit.inspect(save(stray, tmp_path / "flux.safetensors")).loads
    assert len(load.problems) == 1 and len(load.unused) == 1
    (load,) = llmdit.inspect(save(peft(lora) | stray, tmp_path / "x.safetensors")).loads
    assert load.problems == [] and "no such module" in load.unused[0] and load.sizes.endswith(f"rank {RANK}")


def test_what_has_no_use_is_told(lora, base, pipe, tmp_path):
    state = peft(lora) | {
        "transformer.layers.77.attention.to_q.lora_A.weight": torch.ones(4, 64),
        "transformer.layers.0.feed_forward.w1.lora_A.weight": torch.ones(4, 64),  # alone
        "transformer.layers.0.feed_forward.w3.lora_A.weight": torch.ones(4, 63),
        "transformer.layers.0.feed_forward.w3.lora_B.weight": torch.ones(170, 4),
        "transformer.layers.1.feed_forward.w3.lora_A.weight": torch.ones(4, 64),
        "transformer.layers.1.feed_forward.w3.lora_B.weight": torch.ones(170, 4),
        "transformer.layers.1.feed_forward.w3.lora_mid.weight": torch.ones(4, 4),
        "a stranger": torch.ones(2),
    }
    path = save(state, tmp_path / "x.safetensors")
    report = pipe.load_lora(path)
    reasons = {key.key: key.reason for key in report.unused}
    assert len(reasons) == 8 and len(report.applied) == len(MODULES)
    assert "no such module" in reasons["transformer.layers.77.attention.to_q.lora_A.weight"]
    assert "up factor" in reasons["transformer.layers.0.feed_forward.w1.lora_A.weight"]
    assert "[170, 64]" in reasons["transformer.layers.0.feed_forward.w3.lora_A.weight"]
    assert "[170, 63]" in reasons["transformer.layers.0.feed_forward.w3.lora_A.weight"]
    assert "lora_mid.weight: parts for convolutions" in reasons["transformer.layers.1.feed_forward.w3.lora_B.weight"]
    assert len(report.warnings) == 1 and "8 of 26 keys" in report.warnings[0]
    assert report.warnings[0] in pipe("a", **SMALL).warnings
    assert_weights(pipe, merged(base, lora))
    pipe.unload_loras()
    with pytest.raises(llmdit.Unsupported, match="strict"):
        pipe.load_lora(path, strict=True)
    assert_original(pipe, base)


@pytest.mark.parametrize(
    ("ending", "tensor", "words"),
    [
        ("reshape_weight", torch.tensor([64, 64]), "changing a weight's shape"),
        ("lora_A.bias", torch.ones(RANK), "factors with biases"),
        ("lora_A.scale_weight", torch.ones(1), "factors with scales"),
        ("lora_B.weight_scale", torch.ones(1), "factors with scales"),
        ("lokr_t2", torch.ones(RANK, RANK, 1, 1), "parts for convolutions"),
        ("oft_blocks", torch.ones(2, 4, 4), "OFT"),
        ("dora_scale", torch.ones(3, 1), r"a magnitude for each of 64 rows or 64 columns, found [3, 1]"),
        ("dora_scale", torch.ones(64, 1, dtype=torch.int32), "type I32"),
        ("dora_scale", torch.ones(0, 1), "empty"),
    ],
)
def test_a_part_that_is_not_handled_leaves_its_module_out(ending, tensor, words, lora, base, pipe, tmp_path):
    """Half of what a file says would be a third thing."""
    path = save(peft(lora) | {f"transformer.{Q}.{ending}": tensor}, tmp_path / "x.safetensors")
    report = pipe.load_lora(path)
    assert len(report.unused) == 3 and all(words in key.reason for key in report.unused)
    assert_weights(pipe, merged(base, {m: v for m, v in lora.items() if m != Q}))


def test_two_adapters_in_one_file(lora, base, pipe, tmp_path):
    other = {module: (up + 1, down) for module, (up, down) in lora.items()}
    state = peft(lora, infix="first.") | peft(other, infix="second.")
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert_weights(pipe, merged(base, lora))
    assert len(report.unused) == 2 * len(lora)
    assert all("second" in key.key and "under another name" in key.reason for key in report.unused)


def test_two_spellings_of_a_module_count_once(lora, base, pipe, tmp_path):
    """Field report A5, dotted exporters: fused and split copies side by side."""
    state = pairs(lora, dotted, ".lora.down.weight", ".lora.up.weight")
    state |= pairs(
        {"layers.0.attention.qkv": fused(lora)["layers.0.attention.qkv"]},
        dotted,
        ".lora.down.weight",
        ".lora.up.weight",
    )
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert_weights(pipe, merged(base, lora))
    assert len(report.unused) == 6 and all("another spelling" in key.reason for key in report.unused)


def test_a_damaged_factor_is_refused(lora, base, pipe, tmp_path):
    state = peft(lora)
    state[f"transformer.{Q}.lora_A.weight"] = torch.full((RANK, 64), float("nan"))
    with pytest.raises(llmdit.Unsupported, match=rf"{Q}.lora_A.weight.*not finite"):
        pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    with pytest.raises(llmdit.NotFound):
        pipe.load_lora(tmp_path / "nowhere.safetensors")
    assert_original(pipe, base)


@pytest.mark.parametrize(
    "name",
    [
        lambda m: "text_encoder." + m,
        lambda m: "lora_te_" + underscored(m),
        lambda m: "lora_te1_" + underscored("model." + m),
        lambda m: "text_encoder.model." + m,
    ],
)
def test_keys_for_the_text_encoder(name, lora, folders, pipe, tmp_path):
    module = "layers.1.self_attn.q_proj"
    weight = pipe.text_encoder.state_dict()[module + ".weight"]
    up, down = torch.randn(weight.shape[0], 2), torch.randn(2, weight.shape[1])
    encoder = {name(module) + ".lora_down.weight": down, name(module) + ".lora_up.weight": up}
    path = save(peft(lora) | encoder, tmp_path / "x.safetensors")
    report = pipe.load_lora(path, strict=True)
    assert {key.key for key in report.unused} == set(encoder) and "text_encoder" in report.unused[0].reason
    assert torch.equal(pipe.text_encoder.state_dict()[module + ".weight"], weight)
    pipe.unload_loras()
    report = pipe.load_lora(path, 0.5, text_encoder=True)
    assert report.unused == [] and f"text_encoder.{module}.weight" in report.applied
    assert relative_error(pipe.text_encoder.state_dict()[module + ".weight"], weight + 0.5 * up @ down) <= 1e-6
    pipe.unload_loras()
    assert torch.equal(pipe.text_encoder.state_dict()[module + ".weight"], weight)
    with pytest.raises(llmdit.Unsupported, match=r"for the text encoder alone.*\(text_encoder\)"):
        pipe.load_lora(save(encoder, tmp_path / "y.safetensors"))


def test_what_is_loaded_does_not_depend_on_its_file_any_more(two, pipe, tmp_path):
    """A second LoRA does not read the first again, whose file may be gone or another one by then."""
    (tmp_path / "copies").mkdir()
    first, second = (shutil.copy(path, tmp_path / "copies") for path in two[:2])
    pipe.load_lora([first, second])
    want = pipe.transformer.state_dict()
    pipe.unload_loras()
    pipe.load_lora(first)
    Path(first).unlink()
    pipe.load_lora(second)
    got = pipe.transformer.state_dict()
    assert all(torch.equal(got[name], want[name]) for name in want)


@pytest.mark.parametrize("scale", [1e308, float("nan"), float("-inf")])
def test_a_scale_that_is_no_number(scale, two, pipe):
    with pytest.raises(llmdit.InvalidArgument, match="finite scale"):
        pipe.load_lora(two[0], scale=scale)


@pytest.mark.parametrize("text", ["", ":0.5", ":te"])
def test_a_lora_without_a_path(text, folders):
    with pytest.raises(llmdit.InvalidArgument, match="path of a LoRA"):
        llmdit.ZImagePipeline.from_pretrained(folders("base"), lora=[text])


def test_numbers_of_other_packages_are_scales(two, pipe):
    for scale in (np.float32(0.5), torch.tensor(0.5), [np.float64(0.5)]):
        pipe.load_lora(two[0], scale=scale)
    assert [lora.scale for lora in pipe.loras] == [0.5] * 3


def test_parts_that_cannot_be_used_are_no_other_model(lora, tmp_path, pipe):
    state = {name: tensor.T for name, tensor in peft(lora).items()}
    with pytest.raises(llmdit.Unsupported, match="one whose parts cannot be used"):
        pipe.load_lora(save(state, tmp_path / "x.safetensors"))
