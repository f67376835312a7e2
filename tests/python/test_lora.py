"""LoRAs in every family of keys: the same merged weights, on any base; removal is exact."""

import checkpoint_forms as forms
import gguf
import llmdit
import pytest
import torch
from lora_files import FAMILIES, MODULES, SMALL, assert_original, assert_weights, merged, peft, save
from parity import relative_error


@pytest.fixture
def pipe(folders):
    return llmdit.ZImagePipeline.from_pretrained(folders("base"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_same_weights(family, lora, base, pipe, tmp_path):
    """Field reports L1, L2, L7; the file's name says nothing."""
    report = pipe.load_lora(save(FAMILIES[family](lora), tmp_path / "file.safetensors"))
    assert report.applied == sorted(module + ".weight" for module in MODULES)
    assert report.unused == [] and report.warnings == []
    assert_weights(pipe, merged(base, lora))
    pipe.unload_loras()
    assert_original(pipe, base)


@pytest.mark.parametrize("layout", ["original", "diffusers"])
@pytest.mark.parametrize("family", ["PEFT", "fused, kohya"])
def test_fused_and_split_models(family, layout, lora, base, folders, tmp_path):
    state = forms.original_transformer(base) if layout == "original" else base
    path = save(state, tmp_path / "model.safetensors")
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)
    pipe.load_lora(save(FAMILIES[family](lora), tmp_path / "lora.safetensors"))
    assert_weights(pipe, merged(base, lora))


def test_one_part_of_a_fused_projection(lora, base, folders, tmp_path):
    """Field report L1."""
    chosen = {module: lora[module] for module in ("layers.0.attention.to_k", "noise_refiner.0.attention.to_k")}
    path = save(forms.original_transformer(base), tmp_path / "model.safetensors")
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)
    report = pipe.load_lora(save(peft(chosen, "diffusion_model."), tmp_path / "lora.safetensors"))
    assert report.applied == [module + ".weight" for module in chosen]
    assert_weights(pipe, merged(base, chosen))


# --- several, scales, removal


def test_several_at_once_in_any_order(two, lora, base, folders):
    """Field report L12."""
    one, second, other = two
    want = merged({n: t for n, t in merged(base, lora, 0.7).items()}, other, 0.3)
    states = []
    for paths, scales in (([one, second], [0.7, 0.3]), ([second, one], [0.3, 0.7])):
        pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"))
        pipe.load_lora(paths, scales)
        assert_weights(pipe, want)
        assert [(lora.path, lora.scale) for lora in pipe.loras] == list(zip(paths, scales, strict=True))
        states.append(pipe.transformer.state_dict())
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"))
    pipe.load_lora(one, 0.7)
    pipe.load_lora(second, 0.3)
    assert_weights(pipe, want)


def test_scale_0_and_negative_ones(two, lora, base, pipe):
    report = pipe.load_lora(two[0], 0)
    assert len(report.applied) == len(MODULES)
    assert_original(pipe, base)
    pipe.load_lora(two[0], -0.5)
    assert_weights(pipe, merged(base, lora, -0.5))
    for scale in (float("nan"), float("inf")):
        with pytest.raises(llmdit.InvalidArgument, match="finite scale"):
            pipe.load_lora(two[0], scale)
    with pytest.raises(ValueError, match="one for each of 2 files, got 1"):
        pipe.load_lora(list(two[:2]), [1.0])


def test_with_without_with(two, pipe):
    """Field report L10: bit for bit, nothing stays and nothing adds up."""
    plain = pipe("a", **SMALL).images
    pipe.load_lora(two[0])
    first = pipe("a", **SMALL)
    assert [lora.path for lora in first._native.loras] == [two[0]]
    pipe.unload_loras()
    assert pipe.loras == []
    second = pipe("a", **SMALL).images
    pipe.load_lora(two[0])
    third = pipe("a", **SMALL).images
    assert torch.equal(plain, second) and torch.equal(first.images, third) and not torch.equal(plain, third)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_sum_is_rounded_once(dtype, two, lora, base, folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), dtype=dtype)
    before = pipe.transformer.state_dict()
    pipe.load_lora(two[0], 0.25)
    want = merged(base, lora, 0.25)  # of the file's float32 numbers, not of rounded ones
    got = pipe.transformer.state_dict()
    for module in MODULES:
        name = module + ".weight"
        assert got[name].dtype == before[name].dtype == getattr(torch, dtype)
        exact = want[name].to(got[name].dtype)
        assert (got[name] == exact).float().mean() > 0.999, name
        assert (got[name].double() - want[name]).abs().max() <= want[name].abs().max() * 2**-8
    pipe.unload_loras()
    assert all(torch.equal(pipe.transformer.state_dict()[name], tensor) for name, tensor in before.items())


def test_through_the_loading_options(two, lora, base, folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), lora=[f"{two[0]}:0.5"])
    assert_weights(pipe, merged(base, lora, 0.5))
    assert llmdit.parse_lora("C:/x/y.safetensors:-1e-1") == llmdit.Lora(path="C:/x/y.safetensors", scale=-0.1)
    assert llmdit.parse_lora("C:/x/y.safetensors").scale == 1.0
    assert str(llmdit.parse_lora("C:/x").path) == "C:/x"


def test_a_call_that_runs_keeps_its_weights(two, pipe):
    """Field report L19: weights change between jobs, never inside one."""
    plain = pipe("a", **SMALL).images

    def load(info):
        if info.step == 0:
            pipe.load_lora(two[0])

    assert torch.equal(pipe("a", on_step=load, **SMALL).images, plain)
    assert not torch.equal(pipe("a", **SMALL).images, plain)


# --- quantised bases


def quantised(base, kind, path):
    """A file of the model with the matrices of its blocks in 8 or 4 bits."""
    if isinstance(kind, torch.dtype):
        return save(forms.scaled(base, kind, "new", per_row=True), path / "base.safetensors")
    if kind == "int4":
        llmdit.convert_weights(save(base, path / "plain.safetensors"), path / "base.safetensors", quantization="int4")
        return path / "base.safetensors"
    writer = gguf.GGUFWriter(path / "base.gguf", "lumina2")
    for name, tensor in forms.original_transformer(base).items():
        if forms.is_block_matrix(name, tensor) and tensor.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(tensor.numpy(), kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path / "base.gguf"


@pytest.mark.parametrize(
    "kind",
    [torch.float8_e4m3fn, torch.int8, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0, "int4"],
    ids=str,
)
@pytest.mark.parametrize("family", ["PEFT", "whole differences"])
def test_on_a_quantised_base(family, kind, lora, base, folders, tmp_path):
    """Field report L13: the change is not lost in the base's few bits, and removal gives the file's bits."""
    path = quantised(base, kind, tmp_path)
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)
    before = pipe.transformer.state_dict()
    pipe.load_lora(save(FAMILIES[family](lora), tmp_path / "lora.safetensors"))
    want = merged(before, lora)
    assert_weights(pipe, want, 1e-6 if family == "PEFT" else 4e-3)  # beside the weights, or rounded to bf16
    plain = save({n: t.float() for n, t in want.items()}, tmp_path / "plain.safetensors")
    reference = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=plain)
    error = relative_error(pipe("a", **SMALL).images, reference("a", **SMALL).images)
    assert error <= (1e-5 if family == "PEFT" else 1e-2)
    pipe.unload_loras()
    assert all(torch.equal(pipe.transformer.state_dict()[name], tensor) for name, tensor in before.items())
