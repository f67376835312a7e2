"""The autoencoder against diffusers' AutoencoderKL."""

import llmdit
import pytest
import tiny_models
import torch
from parity import assert_close
from reference import draw

MODELS = list(tiny_models.MODELS)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (4, 12), (13, 5), (20, 20)])
@pytest.mark.parametrize("model", MODELS)
def test_decode(model, size, references, pipelines):
    vae = references(model).vae
    latents = draw(1, 2, vae.config.latent_channels, *size)
    got = pipelines(model).vae.decode(latents)
    assert got.dtype == torch.float32
    assert_close("autoencoder decode", got, vae.decode(latents).sample, where=f"{model}, latents {size}")


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (4, 12), (13, 5)])
@pytest.mark.parametrize("model", MODELS)
def test_encode(model, size, references, pipelines):
    vae, ours = references(model).vae, pipelines(model).vae
    scale = ours.config.vae_scale_factor
    pixels = draw(2, 2, 3, size[0] * scale, size[1] * scale).clamp(-1, 1)
    want, got = vae.encode(pixels).latent_dist, ours.encode(pixels)
    assert_close("autoencoder encode, mean", got.mean, want.mean, where=f"{model}, latents {size}")
    assert_close("autoencoder encode, logvar", got.logvar, want.logvar, where=f"{model}, latents {size}")


@pytest.mark.parametrize("model", MODELS)
def test_scale_and_back(model, references, pipelines):
    vae, ours = references(model).vae, pipelines(model).vae
    latents = draw(3, 1, vae.config.latent_channels, 4, 4)
    want = latents / vae.config.scaling_factor + vae.config.shift_factor
    assert_close("autoencoder scale", ours.unscale(latents), want, bound=1e-6, where=model)
    assert_close("autoencoder scale", ours.scale(want), latents, bound=1e-6, where=model)


def test_logvar_is_clamped(model_copy, references):
    from safetensors.torch import load_file, save_file

    folder = model_copy()
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["encoder.conv_out.bias"] = weights["encoder.conv_out.bias"].clone()
    weights["encoder.conv_out.bias"][16:24], weights["encoder.conv_out.bias"][24:] = 1000.0, -1000.0
    save_file(weights, path)
    logvar = llmdit.AutoencoderKL.from_pretrained(folder, subfolder="vae").encode(torch.zeros(1, 3, 8, 8)).logvar
    assert logvar.max() == 20 and logvar.min() == -30


def test_decodes_without_encoder_and_says_so(model_copy):
    from safetensors.torch import load_file, save_file

    folder = model_copy()
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(path).items() if not name.startswith("encoder.")}, path)
    vae = llmdit.AutoencoderKL.from_pretrained(folder / "vae")
    assert torch.isfinite(vae.decode(draw(4, 1, 16, 4, 4))).all()
    with pytest.raises(llmdit.Unsupported, match="encoder"):
        vae.encode(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize("shape", [(16, 4, 4), (1, 15, 4, 4), (1, 16, 0, 4), (0, 16, 4, 4), (1,)])
def test_latents_that_do_not_fit(pipe, shape):
    with pytest.raises(llmdit.InvalidArgument):
        pipe.vae.decode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 4, 8, 8), (1, 3, 12, 8), (1, 3, 0, 8), (1,)])
def test_pixels_that_do_not_fit(pipe, shape):
    with pytest.raises(llmdit.InvalidArgument):
        pipe.vae.encode(torch.zeros(shape))


def test_loads_alone_and_tells_its_configuration(folders, references):
    vae = llmdit.AutoencoderKL.from_pretrained(folders("plain"), subfolder="vae")
    theirs = references("plain").vae.config
    for name in (
        "latent_channels",
        "layers_per_block",
        "norm_num_groups",
        "sample_size",
        "scaling_factor",
        "shift_factor",
    ):
        assert getattr(vae.config, name) == theirs[name], name
    assert vae.config.block_out_channels == list(theirs.block_out_channels)
    assert vae.config.vae_scale_factor == 4
    assert "16 channels" in repr(vae)
    assert not vae.decode(torch.zeros(1, 16, 2, 2)).is_inference()


def test_activations_past_the_largest_half_number(model_copy):
    """Field report V6: a file in 16 bits is computed in float32, whatever its activations reach."""
    from safetensors.torch import load_file, save_file

    path = model_copy("base", torch.float16) / "vae/diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["decoder.conv_in.weight"] *= 20000
    assert weights["decoder.conv_in.weight"].isfinite().all()
    save_file(weights, path)
    latents = draw(5, 1, 16, 4, 4) * 50
    ours = llmdit.AutoencoderKL.from_pretrained(path.parent).decode(latents)
    save_file({name: tensor.float() for name, tensor in weights.items()}, path)
    assert torch.isfinite(ours).all()
    assert torch.equal(ours, llmdit.AutoencoderKL.from_pretrained(path.parent).decode(latents))
