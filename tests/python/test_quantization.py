"""Weights quantised at load, and products on every kind of processor."""

import os
import subprocess
import sys

import llmdit
import pytest
import torch
from parity import relative_error
from safetensors.torch import load_file, save_file

SMALL = {"width": 48, "height": 32, "num_inference_steps": 2, "seed": 4, "output_type": "latent"}
# Activations are rounded, too: to 16 bits beside weights of 8, to 8 bits by groups beside weights of 4.
ACTIVATIONS = {"int8": 2e-4, "int4": 0.02}
# Largest error of a weight over the largest of its group: half a step of 8 bits; of 4 bits a whole one, as only one
# end of their range is the largest weight.
STEPS = {"int8": 0.5 / 127, "int4": 1 / 8}


def block_matrices(state):
    return {n for n, t in state.items() if t.dim() == 2 and (".attention." in n or ".feed_forward." in n)}


def dequantised(folder, tmp_path, **options):
    """The transformer with quantised weights, and the plain one that has the same numbers as float32."""
    quantised = llmdit.ZImageTransformer.from_pretrained(folder / "transformer", **options)
    path = tmp_path / "plain.safetensors"
    save_file({n: t.float().contiguous() for n, t in quantised.state_dict().items()}, path)
    return quantised, llmdit.ZImageTransformer.from_pretrained(path, config_path=folder / "transformer")


@pytest.mark.parametrize("name", ["base", "wide"])
@pytest.mark.parametrize("kind", STEPS)
def test_products_are_those_of_the_rounded_weights(kind, name, folders, tmp_path):
    """Of the weights only block matrices are rounded, and activations no more than they should be."""
    quantised, plain = dequantised(folders(name), tmp_path, quantization=kind)
    original = load_file(folders(name) / "transformer/diffusion_pytorch_model.safetensors")
    state = quantised.state_dict()
    changed = {n for n in original if not torch.equal(original[n], state[n].float())}
    assert changed and changed <= block_matrices(original)
    size = {"int8": 128, "int4": 32}[kind]
    for n in changed:
        size = size if original[n].shape[1] % size == 0 else original[n].shape[1]
        error, weight = ((t.view(-1, size)) for t in (state[n] - original[n], original[n]))
        assert (error.abs().amax(1) <= 1.01 * STEPS[kind] * weight.abs().amax(1) + 1e-9).all(), n
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, plain.config.in_channels, 6, 10, generator=generator)
    caption = [torch.randn(11, plain.config.cap_feat_dim, generator=generator)]
    assert relative_error(quantised(latents, 0.3, caption), plain(latents, 0.3, caption)) <= ACTIVATIONS[kind]


@pytest.mark.parametrize(("kind", "bound"), [("int8", 0.02), ("int4", 0.4)])
def test_pictures_of_quantised_models(kind, bound, folders, pipe):
    ours = llmdit.ZImagePipeline.from_pretrained(folders("base"), quantization=kind)
    error = relative_error(ours("a cat", **SMALL).images, pipe("a cat", **SMALL).images)
    assert 0 < error <= bound
    encoder = ours.text_encoder.state_dict()
    assert any(not torch.equal(encoder[n], t) for n, t in pipe.text_encoder.state_dict().items())


def test_spellings(folders):
    by_name = {k: llmdit.LoadOptions(quantization=k).quantization for k in ("8bit", "4bit", "none", "int8")}
    assert by_name == {"8bit": "int8", "4bit": "int4", "none": "none", "int8": "int8"}
    with pytest.raises(llmdit.InvalidArgument, match="int5"):
        llmdit.ZImagePipeline.from_pretrained(folders("base"), quantization="int5")


def test_parts_that_are_never_quantised_say_so(folders):
    for part, load in (("vae", llmdit.AutoencoderKL), ("transformer", llmdit.ContextRefiner)):
        with pytest.raises(llmdit.InvalidArgument, match="quantization.*blocks of the transformer"):
            load.from_pretrained(folders("base") / part, quantization="int8")


def test_files_of_8_bits_keep_them(folders, tmp_path):
    llmdit.convert_weights(folders("base") / "transformer", tmp_path / "x.safetensors", quantization="int8")
    plain = llmdit.ZImageTransformer.from_pretrained(tmp_path / "x.safetensors").state_dict()
    for dtype in ("auto", "bfloat16"):  # which is for the other weights
        options = {"quantization": "int8", "dtype": dtype}
        ours = llmdit.ZImageTransformer.from_pretrained(tmp_path / "x.safetensors", **options).state_dict()
        assert all(torch.equal(ours[name], plain[name]) for name in block_matrices(plain))


def test_a_lora_on_weights_quantised_at_load(folders, tmp_path):
    name = "layers.0.attention.to_q"
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), quantization="int8")
    before = pipe.transformer.state_dict()
    rows, columns = before[name + ".weight"].shape
    up, down = torch.randn(rows, 2) * 0.1, torch.randn(2, columns) * 0.1
    save_file({f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}, tmp_path / "x.safetensors")
    plain = pipe("a cat", **SMALL).images
    pipe.load_lora(tmp_path / "x.safetensors")
    after = pipe.transformer.state_dict()
    assert relative_error(after[name + ".weight"] - before[name + ".weight"], up @ down) <= 1e-4
    assert not torch.equal(pipe("a cat", **SMALL).images, plain)
    pipe.unload_loras()
    assert all(torch.equal(t, before[n]) for n, t in pipe.transformer.state_dict().items())
    assert torch.equal(pipe("a cat", **SMALL).images, plain)


SCRIPT = """
import sys, torch, llmdit
torch.set_num_threads(2)
options = dict(width=48, height=32, num_inference_steps=2, seed=4, output_type="latent")
for quantization in sys.argv[3:]:
    pipe = llmdit.ZImagePipeline.from_pretrained(sys.argv[1], quantization=quantization)
    torch.save(pipe("a cat", **options).images, f"{sys.argv[2]}-{quantization}")
"""
# Beside 4 bits the last bits of a product may have a number of 8 bits rounded the other way: nothing, or 5e-3.
BOUNDS = {"none": 2e-5, "int8": 1e-4, "int4": ACTIVATIONS["int4"]}
KINDS = ("baseline", "avx2", "avx512")


def run_script(kind, *arguments):
    environment = os.environ | {"LLMDIT_CPU": kind}
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def pictures_of_kinds(folders, tmp_path_factory):
    """Where "<kind>-<quantization>" lie; a process for each kind, which is chosen once."""
    folder = tmp_path_factory.mktemp("kinds")
    for kind in KINDS:
        done = run_script(kind, folders("wide"), folder / kind, *BOUNDS)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("quantization", BOUNDS)
def test_every_kind_of_processor(quantization, pictures_of_kinds):
    """What this one lacks is not used: then the next older kind is measured twice."""
    baseline, *others = (torch.load(pictures_of_kinds / f"{kind}-{quantization}") for kind in KINDS)
    for picture in others:
        assert relative_error(picture, baseline) <= BOUNDS[quantization]


def test_an_unknown_kind_of_processor(folders, tmp_path):
    done = run_script("x", folders("wide"), tmp_path / "x", "none")
    assert done.returncode != 0 and "expected native, avx512, avx2 or baseline" in done.stderr
