"""Weights written in another form load as the same model, within what the form can hold."""

import json

import gguf
import llmdit
import pytest
import torch
from parity import relative_error
from safetensors import safe_open
from safetensors.torch import load_file, save_file

CLASSES = {
    "transformer": llmdit.ZImageTransformer,
    "text_encoder": llmdit.ZImageTextEncoder,
    "vae": llmdit.AutoencoderKL,
}
DEMO = llmdit.demo_model_path()
# Largest relative error of a weight: half a step of 8 bits, of 3 bits of mantissa, of 4 bits.
ERRORS = {"int8": 1 / 127, "fp8": 1 / 16, "int4": 1 / 7, "q8_0": 1 / 127, "q4_0": 1 / 7}


def is_block_matrix(name, tensor):
    modules = (".attention.", ".feed_forward.", ".self_attn.", ".mlp.")
    is_block = name.startswith(("layers.", "noise_refiner.", "context_refiner."))
    return is_block and tensor.dim() == 2 and any(module in name for module in modules)


def load(part, path):
    options = {"tokenizer_path": DEMO / "tokenizer"} if part == "text_encoder" else {}
    return CLASSES[part].from_pretrained(path, **options)


@pytest.mark.parametrize("layout", ["diffusers", "original"])
@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_layouts_hold_the_same_bits(part, layout, tmp_path):
    path = tmp_path / "x.safetensors"
    report = llmdit.convert_weights(DEMO / part, path, layout=layout)
    assert report.component == part and report.quantized == 0
    want, got = load(part, DEMO / part).state_dict(), load(part, path).state_dict()
    assert got.keys() == want.keys() and all(torch.equal(got[name], want[name]) for name in want)
    names = load_file(path).keys()
    assert report.tensors == len(names)
    if part == "transformer":
        assert any("qkv" in name for name in names) == (layout == "original")
    back = tmp_path / "back.safetensors"
    llmdit.convert_weights(path, back)
    published = load_file(next((DEMO / part).glob("*.safetensors")))
    again = load_file(back)
    assert again.keys() == published.keys() and all(torch.equal(again[n], published[n]) for n in published)


@pytest.mark.parametrize("layout", ["diffusers", "original"])
def test_the_autoencoder(layout, tmp_path):
    path = tmp_path / "ae.safetensors"
    llmdit.convert_weights(DEMO / "vae", path, layout=layout)
    assert any("mid.attn_1.q.weight" in name for name in load_file(path)) == (layout == "original")
    latents = torch.randn(1, 16, 4, 6)
    ours, want = llmdit.AutoencoderKL.from_pretrained(path), llmdit.AutoencoderKL.from_pretrained(DEMO / "vae")
    assert relative_error(ours.decode(latents), want.decode(latents)) <= 1e-5
    assert ours.config.norm_num_groups == want.config.norm_num_groups  # from the header
    pixels = torch.rand(1, 3, 32, 32)
    assert relative_error(ours.encode(pixels).mean, want.encode(pixels).mean) <= 1e-5


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_quantised_copies(part, kind, tmp_path):
    path = tmp_path / ("x.gguf" if kind.startswith("q") else "x.safetensors")
    report = llmdit.convert_weights(DEMO / part, path, quantization=kind)
    assert report.quantized > 0
    bits = {"int8": 8, "fp8": 8, "int4": 4.5, "q8_0": 8.5, "q4_0": 4.5}[kind]
    want, got = load(part, DEMO / part).state_dict(), load(part, path).state_dict()
    small = {name for name in want if is_block_matrix(name, want[name])}
    vector = 4 if path.suffix == ".gguf" else 2  # bytes of a number that is in no matrix
    size = sum(t.numel() * (bits / 8 if n in small else 2 if t.dim() > 1 else vector) for n, t in want.items())
    assert size <= path.stat().st_size < size + 80_000  # header, scales of rows
    for name, tensor in want.items():
        bound = ERRORS[kind] if name in small else 0
        error = (got[name].float() - tensor.float()).abs().max() / tensor.float().abs().max().clamp(min=1e-9)
        assert error <= bound, name


def test_what_has_no_place_is_told(tmp_path):
    state = load_file(next((DEMO / "transformer").glob("*.safetensors")))
    save_file(state | {"something.weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    report = llmdit.convert_weights(tmp_path / "x.safetensors", tmp_path / "y.safetensors")
    assert (
        report.tensors == len(state) and llmdit.convert_weights(DEMO / "vae", tmp_path / "z.safetensors").warnings == []
    )
    (warning,) = report.warnings
    assert "1 tensors have no place" in warning and "something.weight" in warning


def test_what_is_not_done_is_told(tmp_path):
    (warning,) = llmdit.convert_weights(DEMO / "vae", tmp_path / "x.safetensors", quantization="int4").warnings
    assert "nothing is quantised" in warning
    llmdit.convert_weights(DEMO / "transformer", tmp_path / "small.gguf", quantization="q8_0")
    (warning,) = llmdit.convert_weights(tmp_path / "small.gguf", tmp_path / "wide.safetensors").warnings
    assert "quantised weights become bf16" in warning


def test_a_model_that_is_not_whole(tmp_path):
    state = load_file(next((DEMO / "transformer").glob("*.safetensors")))
    del state["layers.1.attention.to_q.weight"]
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(llmdit.Unsupported, match=r"layers\.1\.attention\.to_q\.weight.*found none"):
        llmdit.convert_weights(tmp_path / "x.safetensors", tmp_path / "y.safetensors")
    assert not (tmp_path / "y.safetensors").exists()


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (1e6, {"dtype": "float16"}),
        (1e30, {"quantization": "q4_0"}),
        (float("nan"), {"quantization": "int8"}),
        (float("inf"), {"quantization": "fp8"}),
        (float("nan"), {}),
    ],
)
def test_numbers_that_the_copy_cannot_hold(value, options, tmp_path):
    state = load_file(next((DEMO / "transformer").glob("*.safetensors")))
    state["layers.0.attention.to_k.weight"][3, 5] = value
    save_file(state, tmp_path / "x.safetensors")
    output = tmp_path / ("y.gguf" if options.get("quantization") == "q4_0" else "y.safetensors")
    with pytest.raises(llmdit.Unsupported, match=r"finite weights.*layers\.0\.attention\.to_k\.weight"):
        llmdit.convert_weights(tmp_path / "x.safetensors", output, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_fused_parts_of_several_types_lose_nothing(tmp_path):
    state = load_file(next((DEMO / "transformer").glob("*.safetensors")))
    name = "layers.0.attention.to_k.weight"
    state[name] = state[name].float() + 1e-6
    save_file(state, tmp_path / "x.safetensors")
    llmdit.convert_weights(tmp_path / "x.safetensors", tmp_path / "y.safetensors", layout="original")
    copy = llmdit.ZImageTransformer.from_pretrained(tmp_path / "y.safetensors").state_dict()
    assert torch.equal(copy[name].float(), state[name])


def test_only_blocks_are_quantised(tmp_path):
    llmdit.convert_weights(DEMO / "transformer", tmp_path / "x.safetensors", quantization="int8")
    state = load_file(tmp_path / "x.safetensors")
    kept = {name for name in state if name.endswith("weight") and state[name].dtype != torch.int8}
    assert {"t_embedder.mlp.0.weight", "t_embedder.mlp.2.weight", "cap_embedder.1.weight"} <= kept


def test_gguf_files_are_what_the_gguf_package_reads(tmp_path):
    path = tmp_path / "x.gguf"
    llmdit.convert_weights(DEMO / "transformer", path, quantization="q4_0")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    name = "layers.0.attention.qkv.weight"
    assert tensors[name].tensor_type == gguf.GGMLQuantizationType.Q4_0
    state = llmdit.ZImageTransformer.from_pretrained(DEMO / "transformer").state_dict()
    weight = torch.cat([state[f"layers.0.attention.to_{part}.weight"] for part in "qkv"]).float().numpy()
    want = gguf.quants.quantize(weight, gguf.GGMLQuantizationType.Q4_0)
    assert (tensors[name].data.reshape(want.shape) == want).all()
    assert tensors["x_pad_token"].shape.tolist() in ([192], [192, 1])


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(llmdit.InvalidArgument, match=r"\.safetensors or \.gguf"):
        llmdit.convert_weights(DEMO / "vae", tmp_path / "x.bin")
    with pytest.raises(llmdit.InvalidArgument, match="GGUF"):
        llmdit.convert_weights(DEMO / "vae", tmp_path / "x.gguf")
    with pytest.raises(llmdit.InvalidArgument, match="q8_0, q4_0 or none"):
        llmdit.convert_weights(DEMO / "transformer", tmp_path / "x.gguf", quantization="int8")
    with pytest.raises(llmdit.NotFound):
        llmdit.convert_weights(tmp_path / "nowhere", tmp_path / "x.safetensors")
    with pytest.raises(llmdit.NotFound):
        llmdit.convert_weights(DEMO / "vae", tmp_path / "no folder/x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_header_carries_the_configuration(tmp_path):
    path = tmp_path / "x.safetensors"
    llmdit.convert_weights(DEMO / "transformer", path)
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["llmdit.transformer_config"])
    assert config == json.loads((DEMO / "transformer/config.json").read_text(encoding="utf-8"))
