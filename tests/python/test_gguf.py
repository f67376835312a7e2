"""GGUF files as the `gguf` package writes them: every block type to the bit, every rule of the format checked."""

import json
import struct
from pathlib import Path

import checkpoint_forms as forms
import gguf
import gguf_tokenizer
import llmdit
import numpy as np
import pytest
import tiny_models
import torch
from parity import relative_error
from reference import draw
from safetensors.torch import load_file

Type = gguf.GGMLQuantizationType
BLOCKS = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K]
BLOCKS += [Type.IQ4_NL, Type.IQ4_XS]
# Where a block's 16-bit scales lie: random bytes there would be huge, or no numbers.
SCALES = {Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q6_K: (208,)}
TWO_SCALES = (Type.Q4_1, Type.Q5_1, Type.Q4_K, Type.Q5_K)


@pytest.fixture(scope="module")
def wide():
    """A transformer whose matrices have rows of whole blocks of 256, and its state under the original names."""
    config = tiny_models.transformer_config(heads=16, axes_dims=[8, 12, 12], layers=1, refiners=1, width=256)
    model = tiny_models.make_transformer(tiny_models.TinyModel(transformer=config, seed=5))
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def random_blocks(kind, rows, columns, generator):
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    raw = generator.integers(0, 256, (rows, columns // weights, size), dtype=np.uint8)
    for at in SCALES.get(kind, (0, 2) if kind in TWO_SCALES else (0,)):
        scales = (generator.normal(size=raw.shape[:2]) * 0.01).astype(np.float16)
        raw[:, :, at : at + 2] = scales.view(np.uint8).reshape(*raw.shape[:2], 2)
    return raw.reshape(rows, -1)


def write(path, tensors, architecture="lumina2", metadata=()):
    """tensors: name -> array, or (blocks, kind)."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in dict(metadata).items():
        add = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32, list: writer.add_array}
        add[type(value)](key, value)
    for name, value in tensors.items():
        if isinstance(value, tuple):
            writer.add_tensor(name, value[0], raw_dtype=value[1])
        else:
            writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def quantised(state, kind, generator):
    return {
        name: (random_blocks(kind, *tensor.shape, generator), kind)
        if forms.is_block_matrix(name, tensor) and tensor.shape[1] % 256 == 0
        else tensor.numpy()
        for name, tensor in state.items()
    }


def values(value):
    return torch.from_numpy(np.array(gguf.quants.dequantize(*value) if isinstance(value, tuple) else value))


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.name)
def test_every_block_type_to_the_bit(kind, prefix, wide, tmp_path):
    state = forms.original_transformer(wide)
    tensors = quantised(state, kind, np.random.default_rng(1))
    path = write(tmp_path / "x.gguf", {prefix + name: value for name, value in tensors.items()})
    got = llmdit.ZImageTransformer.from_pretrained(path).state_dict()
    stem = "layers.0.attention."
    want = dict(zip("qkv", values(tensors[f"{stem}qkv.weight"]).chunk(3), strict=True))
    for part in "qkv":
        assert torch.equal(got[f"{stem}to_{part}.weight"], want[part])
    for name in ("layers.0.feed_forward.w1.weight", "noise_refiner.0.attention.out.weight", "x_pad_token"):
        assert torch.equal(got[name.replace("attention.out", "attention.to_out.0")], values(tensors[name])), name
    info = llmdit.inspect(path)
    assert {tensor.dtype for tensor in info.tensors} == {kind.name, "F32"}
    assert [load.problems for load in info.loads] == [[]]


@pytest.mark.parametrize("kind", [Type.Q8_0, Type.Q4_K], ids=lambda kind: kind.name)
def test_products_with_blocks(kind, wide, tmp_path):
    """The model computes what the same model computes with the widened weights."""
    generator = np.random.default_rng(2)
    tensors = quantised(forms.original_transformer(wide), kind, generator)
    ours = llmdit.ZImageTransformer.from_pretrained(write(tmp_path / "x.gguf", tensors))
    plain = llmdit.ZImageTransformer.from_pretrained(
        write(tmp_path / "plain.gguf", {name: values(value).numpy() for name, value in tensors.items()})
    )
    latents, prompt = torch.randn(1, 16, 12, 8), [torch.randn(20, 256)]
    assert relative_error(ours(latents, 0.4, prompt), plain(latents, 0.4, prompt)) <= 1e-5


@pytest.fixture(scope="module")
def wide_encoder():
    """The same of a text encoder."""
    config = tiny_models.encoder_config(256, heads=4, kv_heads=2, head_dim=64, layers=2, intermediate_size=512)
    model = tiny_models.make_text_encoder(tiny_models.TinyModel(text_encoder=config, seed=6))
    state = {name: tensor.detach() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    return {forms.llama_cpp_name(name): tensor for name, tensor in state.items()}


def stored_as(kind, tensor, generator):
    """A matrix as blocks or numbers of that kind."""
    if kind == Type.F16:
        return tensor.half().numpy()
    if kind == Type.BF16:
        return (tensor.bfloat16().view(torch.uint8).numpy(), kind)
    return (random_blocks(kind, *tensor.shape, generator), kind)


@pytest.mark.parametrize("rows", [1, 2, 4, 5])
@pytest.mark.parametrize("kind", [Type.F16, Type.BF16, *BLOCKS], ids=lambda kind: kind.name)
def test_few_rows(kind, rows, wide_encoder, tmp_path):
    """One row, as in writing text, is multiplied straight from storage; a few are, too, but widened first."""
    generator = np.random.default_rng(3)
    metadata = {"qwen3.attention.head_count": 4, "qwen3.attention.layer_norm_rms_epsilon": 1e-6}
    stored = {
        name: stored_as(kind, tensor, generator) if tensor.dim() == 2 else tensor.numpy()
        for name, tensor in wide_encoder.items()
    }
    plain = {}
    for name, value in stored.items():
        is_bfloat16 = isinstance(value, tuple) and kind == Type.BF16
        number = torch.from_numpy(value[0]).view(torch.bfloat16).float() if is_bfloat16 else values(value).float()
        plain[name] = number.numpy()
    ours, want = (
        llmdit.ZImageTextEncoder.from_pretrained(
            write(tmp_path / f"{file}.gguf", tensors, "qwen3", metadata), tokenizer_path=tiny_models.DEMO_TOKENIZER
        )
        for file, tensors in (("stored", stored), ("plain", plain))
    )
    tokens = [5, 6, 7, 8, 9][:rows]
    assert relative_error(ours.hidden_states(tokens, -1), want.hidden_states(tokens, -1)) <= 1e-5


INTEGERS = {Type.Q4_0: "int4", Type.Q4_1: "int4", Type.Q4_K: "int4", Type.Q8_0: "int8"}


@pytest.mark.parametrize("kind", INTEGERS, ids=lambda kind: kind.name)
def test_blocks_in_integers(kind, wide, tmp_path):
    """Asked for by quantization: activations are rounded to 8 bits by groups or to 16, blocks stay as they are."""
    quantization = INTEGERS[kind]
    tensors = quantised(forms.original_transformer(wide), kind, np.random.default_rng(2))
    path = write(tmp_path / "x.gguf", tensors)
    exact = llmdit.ZImageTransformer.from_pretrained(path)
    ours = llmdit.ZImageTransformer.from_pretrained(path, quantization=quantization)
    kept = ours.state_dict()
    blocks = {n: t for n, t in exact.state_dict().items() if t.dim() == 2 and t.shape[1] % 256 == 0}
    assert blocks and all(torch.equal(tensor, kept[name]) for name, tensor in blocks.items())
    exact = llmdit.ZImageTransformer.from_pretrained(
        write(tmp_path / "plain.gguf", {name: tensor.float().numpy() for name, tensor in kept.items()})
    )
    for size in ((12, 8), (2, 2)):
        latents, prompt = draw(1, 1, 16, *size), [draw(2, 20, 256)]
        assert (
            0
            < relative_error(ours(latents, 0.4, prompt), exact(latents, 0.4, prompt))
            <= (0.05 if quantization == "int4" else 5e-4)
        )


@pytest.mark.parametrize("architecture", ["lumina2", "z_image", None])
def test_the_architecture_is_only_a_hint(architecture, wide, tmp_path):
    """Field report W9."""
    path = write(tmp_path / "x.gguf", {n: t.numpy() for n, t in wide.items()}, architecture or "lumina2")
    if architecture is None:  # as stable-diffusion.cpp writes it
        data = path.read_bytes()
        key = b"general.architecture"
        path.write_bytes(data.replace(key, b"nothing.architecture"[: len(key)]))
    got = llmdit.ZImageTransformer.from_pretrained(path).state_dict()
    assert all(torch.equal(got[name], tensor) for name, tensor in wide.items())


@pytest.mark.parametrize("kind", [np.float32, np.float16, "bfloat16"], ids=str)
def test_pad_tokens_and_original_shapes(kind, wide, tmp_path):
    tensors = {name: tensor.numpy() for name, tensor in forms.original_transformer(wide).items()}
    for name in ("x_pad_token", "cap_pad_token"):
        flat = wide[name].flatten()
        if kind == "bfloat16":
            tensors[name] = (flat.bfloat16().view(torch.uint8).numpy(), Type.BF16)
        else:
            tensors[name] = flat.numpy().astype(kind)
    stored = wide["all_x_embedder.2-1.weight"]  # [dim, 64], flattened to fill blocks
    tensors["x_embedder.weight"] = stored.reshape(-1, 256).numpy()
    shape = {"comfy.gguf.orig_shape.x_embedder.weight": [int(side) for side in stored.shape]}
    got = llmdit.ZImageTransformer.from_pretrained(write(tmp_path / "x.gguf", tensors, metadata=shape)).state_dict()
    assert torch.equal(got["all_x_embedder.2-1.weight"], stored)
    want = wide["x_pad_token"].to({np.float16: torch.float16, "bfloat16": torch.bfloat16}.get(kind, torch.float32))
    assert torch.equal(got["x_pad_token"], want.float())


def test_matrices_with_sizes_of_1_before_them(tmp_path):
    """Blocks of [1, a, b]: the rows are the model's, not the file's first size."""
    demo = llmdit.demo_model_path() / "transformer"
    llmdit.convert_weights(demo, tmp_path / "plain.gguf", quantization="q8_0")
    tensors = {}
    for tensor in gguf.GGUFReader(tmp_path / "plain.gguf").tensors:
        is_block = tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0
        data = tensor.data[None] if is_block and "qkv" not in tensor.name else tensor.data
        tensors[tensor.name] = (data, tensor.tensor_type)
    write(tmp_path / "odd.gguf", tensors)
    plain, odd = (
        llmdit.ZImageTransformer.from_pretrained(tmp_path / f"{name}.gguf", config_path=demo)
        for name in ("plain", "odd")
    )
    latents, caption = torch.randn(1, 16, 4, 6), [torch.randn(7, plain.config.cap_feat_dim)]
    assert torch.equal(odd(latents, 0.3, caption), plain(latents, 0.3, caption))


def test_a_text_encoder_of_llama_cpp(folders, tmp_path):
    folder = folders("base")
    state = load_file(folder / "text_encoder/model.safetensors")
    tensors = {forms.llama_cpp_name(name): tensor.numpy() for name, tensor in state.items()}
    metadata = {"qwen3.context_length": 2048, "qwen3.rope.freq_base": 1e6, "qwen3.block_count": 3}
    metadata["qwen3.attention.layer_norm_rms_epsilon"] = 1e-6
    path = write(tmp_path / "encoder.gguf", tensors, "qwen3", metadata)
    ours = llmdit.ZImageTextEncoder.from_pretrained(path, tokenizer_path=folder / "tokenizer")
    want = llmdit.ZImageTextEncoder.from_pretrained(folder / "text_encoder")
    assert ours.config.max_position_embeddings == 2048 and ours.config.rms_norm_eps == pytest.approx(1e-6, rel=1e-6)
    assert relative_error(ours.hidden_states([5, 6, 7], -2), want.hidden_states([5, 6, 7], -2)) <= 1e-6
    assert ours.unused_weights == []


@pytest.mark.parametrize("has_tokenizer", [True, False])
def test_a_text_encoder_with_and_without_a_tokenizer_inside(has_tokenizer, tmp_path):
    """Without one the model's own is taken."""
    demo = Path(__file__).resolve().parents[2] / "examples/demo_model"
    state = load_file(demo / "text_encoder/model.safetensors")
    tensors = {forms.llama_cpp_name(name): tensor.float().numpy() for name, tensor in state.items()}
    path = tmp_path / "encoder.gguf"
    if has_tokenizer:
        content = json.loads((demo / "tokenizer/tokenizer.json").read_text(encoding="utf-8"))
        gguf_tokenizer.write(path, content, lambda writer: [writer.add_tensor(*item) for item in tensors.items()])
    else:
        write(path, tensors, "qwen3")
    want = llmdit.ZImagePipeline.from_pretrained(demo).text_encoder
    ours = llmdit.ZImagePipeline.from_pretrained(demo, text_encoder_path=path).text_encoder
    assert ours.tokenizer.path.name == ("encoder.gguf" if has_tokenizer else "tokenizer.json")
    text = "A red fox, 12 \u00e9t\u00e9s"
    assert ours.tokenizer.encode(text) == want.tokenizer.encode(text)
    (got,), (expected,) = ours.encode([text]).embeddings, want.encode([text]).embeddings
    assert relative_error(got, expected) <= 1e-2
    found = [load.component for load in llmdit.inspect(path).loads if load.problems == []]
    assert found == (["tokenizer", "text_encoder"] if has_tokenizer else ["text_encoder"])
    warnings = llmdit.convert_weights(path, tmp_path / "copy.safetensors").warnings
    assert any("tokenizer" in warning for warning in warnings) == has_tokenizer


# --- malformed files (field report W10) -------------------------------------------------------------------------------


def text(value):
    return struct.pack("<Q", len(value)) + value


def header(tensors=0, values=0, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values)


def tensor_info(dims=(4,), kind=0, offset=0, name=b"t"):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def aligned(data, payload=b""):
    return data + bytes(-len(data) % 32) + payload


def u32(key, value):
    return text(key) + struct.pack("<II", 4, value)


GOOD = aligned(header(1, 1) + u32(b"general.alignment", 32) + tensor_info(), bytes(16))

BAD = {
    "version 1": (header(version=1), "version"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "no counts": (b"GGUF" + struct.pack("<I", 3), "whole"),
    "a key of 2^40 bytes": (header(0, 1) + struct.pack("<Q", 2**40) + b"x", "1099511627776"),
    "a string of 2^63 bytes": (header(0, 1) + text(b"k") + struct.pack("<IQ", 8, 2**63), "string"),
    "a key that is no UTF-8": (header(0, 1) + u32(b"\xff", 1), "UTF-8"),
    "a string that is no UTF-8": (header(0, 1) + text(b"k") + struct.pack("<I", 8) + text(b"\xc3"), "UTF-8"),
    "2^62 values": (header(0, 2**62), "key"),
    "2^62 tensors": (header(2**62, 0), "name"),
    "an unknown type of value": (header(0, 1) + text(b"k") + struct.pack("<I", 13), "type"),
    "a list of lists": (header(0, 1) + text(b"k") + struct.pack("<IIQ", 9, 9, 1), "lists of lists"),
    "a list of 2^61 numbers": (header(0, 1) + text(b"k") + struct.pack("<IIQ", 9, 10, 2**61), "numbers"),
    "a list of 2^60 strings": (header(0, 1) + text(b"k") + struct.pack("<IIQ", 9, 8, 2**60), "string"),
    "a key twice": (header(0, 2) + u32(b"k", 1) * 2, "twice"),
    "no dimensions": (aligned(header(1) + tensor_info(()), bytes(16)), "1 to 4 dimensions"),
    "five dimensions": (aligned(header(1) + tensor_info((1,) * 5), bytes(16)), "1 to 4 dimensions"),
    "a dimension of 0": (aligned(header(1) + tensor_info((0,)), bytes(16)), "at least 1"),
    "sizes whose product overflows": (aligned(header(1) + tensor_info((2**32, 2**32)), bytes(16)), "product"),
    "half a block": (aligned(header(1) + tensor_info((48,), kind=2), bytes(64)), "multiple of 32"),
    "an offset that is not aligned": (aligned(header(1) + tensor_info(offset=8), bytes(64)), "multiple of 32"),
    "an offset beyond the file": (aligned(header(1) + tensor_info(offset=2**40), bytes(16)), "whole"),
    "data cut off": (GOOD[:-1], "whole"),
    "an alignment of 0": (
        aligned(header(1, 1) + u32(b"general.alignment", 0) + tensor_info(), bytes(16)),
        "power of two",
    ),
    "an alignment of 3": (
        aligned(header(1, 1) + u32(b"general.alignment", 3) + tensor_info(), bytes(16)),
        "power of two",
    ),
    "two tensors in one place": (
        aligned(header(2) + tensor_info() + tensor_info(name=b"u"), bytes(64)),
        "overlaps",
    ),
    "two tensors of one name": (aligned(header(2) + tensor_info() + tensor_info(offset=32), bytes(64)), "twice"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_files_are_refused(case, tmp_path):
    data, words = BAD[case]
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    with pytest.raises(llmdit.Unsupported) as caught:
        llmdit.inspect(path)
    assert "bad.gguf" in str(caught.value) and words in str(caught.value)


def test_every_cut_of_a_good_file_is_refused(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(GOOD)
    assert [tensor.name for tensor in llmdit.inspect(path).tensors] == ["t"]
    for length in range(4, len(GOOD)):
        path.write_bytes(GOOD[:length])
        with pytest.raises(llmdit.Unsupported):
            llmdit.inspect(path)


def test_a_type_nobody_knows_stops_only_those_who_need_it(tmp_path):
    path = tmp_path / "x.gguf"
    for kind, name, size in ((16, "IQ2_XXS", 66), (77, "ggml type 77", 96)):
        path.write_bytes(aligned(header(1) + tensor_info((256,), kind=kind), bytes(96)))
        (tensor,) = llmdit.inspect(path).tensors
        assert (tensor.dtype, tensor.bytes) == (name, size)
    path.write_bytes(aligned(header(1) + tensor_info((64, 64), kind=77, name=b"cap_embedder.1.weight"), bytes(96)))
    (load,) = llmdit.inspect(path).loads
    assert load.problems
