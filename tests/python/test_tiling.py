"""The autoencoder tile by tile, and previews."""

import shutil
import threading

import llmdit
import numpy as np
import pytest
import torch
from parity import assert_close, record
from PIL import Image
from reference import draw

UNTILED = {"tiled": False}


@pytest.fixture(scope="module")
def demo():
    return llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())


@pytest.fixture(scope="module")
def constant_vae(folders, tmp_path_factory):
    """A decoder and an encoder that give the same numbers for every input, whatever the tiles are."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("constant") / "vae"
    shutil.copytree(folders("dynamic") / "vae", folder)
    path = folder / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    for part in ("decoder", "encoder"):
        weights[f"{part}.conv_out.weight"].zero_()
        weights[f"{part}.conv_out.bias"].fill_(0.75)
    save_file(weights, path)
    return llmdit.AutoencoderKL.from_pretrained(folder)


def tiles(vae, tile, overlap):
    """Options for tiles counted in latents."""
    scale = vae.config.vae_scale_factor
    return {"tiled": True, "tile_size": tile * scale, "tile_overlap": overlap * scale}


# PSNR 40 dB, of pixels from 0 to 1.
CLOSE = 0.01


def deviation(got, want):
    """Root mean square of the difference of pixels about -1..1, seen as 0..1."""
    got, want = ((x * 0.5 + 0.5).clamp(0, 1) for x in (got, want))
    return (got - want).pow(2).mean().sqrt().item()


def blobs(channels, height, width, seed, cells):
    noise = torch.randn(1, channels, cells, cells, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size=(height, width), mode="bicubic")


def gradient(height, width):
    x, y = (
        torch.linspace(-1, 1, width).expand(height, width),
        torch.linspace(-1, 1, height)[:, None].expand(height, width),
    )
    return torch.stack([x, y, x * y])[None]


# --- every pixel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tile", "overlap"), [(1, 0), (2, 0), (2, 1), (3, 1), (4, 1), (4, 3), (5, 2)])
def test_every_pixel_is_covered_once_in_all(constant_vae, tile, overlap):
    """Field report V3. Sizes from 1 to 3 tiles: no hole, no dark frame; the weights of tiles sum to 1 everywhere."""
    vae, options = constant_vae, tiles(constant_vae, tile, overlap)
    scale = vae.config.vae_scale_factor
    for height in range(1, 3 * tile + 1):
        for width in range(height, 3 * tile + 1):
            pixels = vae.decode(torch.zeros(1, vae.config.latent_channels, height, width), **options)
            assert pixels.shape == (1, 3, height * scale, width * scale)
            assert (pixels - 0.75).abs().max() < 1e-5, (height, width)
            latents = vae.encode(torch.zeros(1, 3, height * scale, width * scale), **options)
            assert latents.mean.shape == latents.logvar.shape == (1, vae.config.latent_channels, height, width)
            assert (latents.mean - 0.75).abs().max() < 1e-5, (height, width)


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (7, 8), (8, 8), (9, 8), (7, 15), (13, 24)])
@pytest.mark.parametrize(("tile_size", "tile_overlap"), [(64, 16), (60, 3), (1, 0), (33, 32), (100000, 64)])
def test_any_size_with_any_tiles(pipelines, size, tile_size, tile_overlap):
    vae = pipelines("base").vae
    latents = draw(1, 2, 16, *size)
    options = {"tiled": True, "tile_size": tile_size, "tile_overlap": tile_overlap}
    if tile_size == 33:  # 5 latents, of which 4 overlap
        assert vae.is_tiled(320, 320, **options)
    pixels = vae.decode(latents, **options)
    assert pixels.shape == (2, 3, 8 * size[0], 8 * size[1]) and torch.isfinite(pixels).all()
    if not vae.is_tiled(8 * size[0], 8 * size[1], **options):
        assert torch.equal(pixels, vae.decode(latents, **UNTILED))


def test_pictures_of_a_batch_do_not_mix(pipelines):
    vae = pipelines("base").vae
    latents = draw(2, 3, 16, 10, 12)
    options = tiles(vae, 6, 2)
    together = vae.decode(latents, **options)
    for index in range(3):
        assert torch.equal(together[index : index + 1], vae.decode(latents[index : index + 1], **options))


@pytest.mark.parametrize(("tile_size", "tile_overlap"), [(64, 64), (64, 80), (0, 0), (-8, 0), (64, -1), (16, 9)])
def test_tiles_that_do_not_reach_past_their_overlap(pipe, tile_size, tile_overlap):
    options = {"tiled": True, "tile_size": tile_size, "tile_overlap": tile_overlap}
    with pytest.raises(llmdit.InvalidArgument, match="overlap"):
        pipe.vae.decode(torch.zeros(1, 16, 30, 30), **options)
    with pytest.raises(llmdit.InvalidArgument, match="overlap"):
        llmdit.TiledVAEDecoder(pipe.vae, tile_size, tile_overlap)


# --- the same picture -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 96), (65, 130)])
@pytest.mark.parametrize("cells", [4, 12])
def test_smooth_latents_give_the_untiled_picture(demo, size, cells):
    """With the default tiles, 512 pixels that overlap by 64."""
    vae = demo.vae
    latents = vae.unscale(blobs(16, *size, seed=cells, cells=cells))
    error = deviation(vae.decode(latents, tiled=True), vae.decode(latents, **UNTILED))
    record("tiled decode, RMS of pixels", error, bound=CLOSE, where=f"{size}, {cells} cells")


def test_gradients_show_no_seam(demo):
    """Field report V1: tiles that are each normalised by themselves step in tone from one to the next."""
    vae = demo.vae
    pixels = gradient(768, 832)
    latents = vae.encode(pixels, **UNTILED).mean
    whole, tiled = vae.decode(latents, **UNTILED), vae.decode(latents, tiled=True)
    record("tiled decode, RMS of pixels", deviation(tiled, whole), bound=CLOSE, where="gradient")
    difference = tiled - whole
    for across, along in ((3, 2), (2, 3)):
        assert difference.diff(dim=across).mean(along).abs().max() < 0.01


@pytest.mark.parametrize("size", [(768, 768), (520, 1040)])
def test_encoding_tile_by_tile(demo, size):
    vae = demo.vae
    pixels = (blobs(3, *size, seed=3, cells=8) * 0.5).clamp(-1, 1)
    whole, tiled = vae.encode(pixels, **UNTILED), vae.encode(pixels, tiled=True)
    error = deviation(vae.decode(tiled.mean, **UNTILED), vae.decode(whole.mean, **UNTILED))
    record("tiled encode, RMS of its picture", error, bound=CLOSE, where=f"{size}")
    assert (tiled.logvar - whole.logvar).abs().mean() < 0.2


def test_a_picture_keeps_its_colors_through_both(demo):
    pixels = (blobs(3, 768, 640, seed=5, cells=6) * 0.5).clamp(-0.9, 0.9)
    vae = llmdit.TiledVAEDecoder(demo.vae)
    back = vae.decode(vae.encode(pixels).mean)
    whole = demo.vae.decode(demo.vae.encode(pixels, **UNTILED).mean, **UNTILED)
    assert (back.mean((2, 3)) - whole.mean((2, 3))).abs().max() < 0.01
    assert deviation(back, whole) < 1.25 * CLOSE


def test_the_frame_is_not_dark(demo):
    vae = demo.vae
    latents = vae.unscale(blobs(16, 80, 80, seed=1, cells=3))
    whole, tiled = vae.decode(latents, **UNTILED), vae.decode(latents, tiled=True)
    for edge in (np.s_[..., 0, :], np.s_[..., -1, :], np.s_[..., 0], np.s_[..., -1]):
        assert (tiled[edge] - whole[edge]).abs().mean() < 0.02


# --- in a pipeline ----------------------------------------------------------------------------------------------------


def test_tiling_in_a_generation(demo):
    options = {"width": 192, "height": 160, "num_inference_steps": 2, "seed": 2, "output_type": "pt"}
    whole = demo("a red circle", vae_tiling="off", **options)
    tiled = demo("a red circle", vae_tiling="on", vae_tile_size=128, vae_tile_overlap=32, **options)
    assert torch.equal(whole.latents, tiled.latents) and not torch.equal(whole.images, tiled.images)
    by_hand = demo.vae.decode(demo.vae.unscale(tiled.latents), tiled=True, tile_size=128, tile_overlap=32)
    assert torch.equal(tiled.images, (by_hand * 0.5 + 0.5).clamp(0, 1))
    assert torch.equal(demo("a red circle", **options).images, whole.images) and whole.warnings == []


def test_one_setting_for_encoding_and_decoding(demo):
    """Field report V5."""
    image = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (160, 1, 3)))
    options = {"strength": 0, "seed": 1, "output_type": "pt"}
    tiles_of = {"vae_tile_size": 128, "vae_tile_overlap": 32}
    result = demo.img2img("", image, vae_tiling="on", **tiles_of, **options)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    encoded = demo.vae.encode(pixels, tiled=True, tile_size=128, tile_overlap=32)
    latents = encoded.mean + (0.5 * encoded.logvar).exp() * draw(1, *encoded.mean.shape)
    assert_close("tiled round trip, latents", demo.vae.unscale(result.latents), latents, where="demo")


def test_tiled_vae_of_a_pipeline(folders):
    options = {"width": 576, "height": 16, "num_inference_steps": 1, "seed": 2, "output_type": "pt"}
    plain, tiled = (llmdit.ZImagePipeline.from_pretrained(folders("base"), tiled_vae=on) for on in (False, True))
    want = {mode: plain("a cat", vae_tiling=mode, **options).images for mode in ("on", "off")}
    assert not torch.equal(want["on"], want["off"])
    assert torch.equal(tiled("a cat", **options).images, want["on"])
    assert torch.equal(tiled("a cat", vae_tiling="off", **options).images, want["off"])


def test_memory_decides_by_itself(demo):
    """Field report V7."""
    vae = demo.vae
    assert not vae.is_tiled(1024, 1024)
    assert vae.is_tiled(1024, 1024, tiled=True) and not vae.is_tiled(512, 512, tiled=True)
    assert vae.is_tiled(1 << 20, 1 << 20)
    assert not vae.is_tiled(1 << 20, 1 << 20, tiled=False)


def test_stopping_between_tiles(demo):
    """A stop while decoding is heard; the pipeline goes on to work."""
    with pytest.raises(llmdit.Cancelled):
        demo(
            "a cat",
            num_inference_steps=1,
            vae_tiling="on",
            vae_tile_size=64,
            vae_tile_overlap=16,
            on_step=lambda _: True,
        )
    assert demo("a cat", num_inference_steps=1, vae_tiling="on", vae_tile_size=64, vae_tile_overlap=16).images


def test_tiled_decoder_wraps_an_autoencoder(demo):
    vae = llmdit.TiledVAEDecoder(demo.vae, tile_size=128, tile_overlap=32)
    latents = vae.unscale(draw(3, 1, 16, 20, 24))
    assert torch.equal(vae.decode(latents), demo.vae.decode(latents, tiled=True, tile_size=128, tile_overlap=32))
    pixels = draw(4, 1, 3, 160, 192).clamp(-1, 1)
    assert torch.equal(
        vae.encode(pixels).mean, demo.vae.encode(pixels, tiled=True, tile_size=128, tile_overlap=32).mean
    )
    assert vae.config.vae_scale_factor == 8 and torch.equal(vae.scale(latents), demo.vae.scale(latents))
    assert "128 pixels, overlap 32" in repr(vae)


# --- previews ---------------------------------------------------------------------------------------------------------


def shrunk(image, side):
    return np.asarray(image.resize((side, side), Image.Resampling.BOX)).astype(float)


def test_previews_show_the_picture(demo):
    seen = []
    result = demo("a red circle on a blue background", num_inference_steps=8, seed=3, on_step=seen.append)
    preview = demo.vae.preview(seen[-1].latents)
    assert (preview.width, preview.height) == (16, 16)
    got, want = np.asarray(preview).astype(float), shrunk(result.images[0], 16)
    assert np.abs(got - want).mean() < 30
    for channel in range(3):
        if want[..., channel].std() > 20:
            assert np.corrcoef(got[..., channel].ravel(), want[..., channel].ravel())[0, 1] > 0.9
    errors = [np.abs(np.asarray(demo.vae.preview(info.latents)).astype(float) - want).mean() for info in seen]
    assert errors[-1] < errors[0]


def test_previews_of_batches_and_other_scales(demo):
    latents = draw(5, 2, 16, 6, 10)
    first, second = (demo.vae.preview(latents[i : i + 1]) for i in range(2))
    both = np.asarray(demo.vae.preview(latents))
    assert both.shape == (6, 20, 3)
    assert np.array_equal(both[:, :10], np.asarray(first)) and np.array_equal(both[:, 10:], np.asarray(second))
    large = demo.vae.preview(latents[:1], scale=8)
    assert (large.width, large.height) == (80, 48)


def test_previews_are_the_same_from_many_threads(folders):
    vae = llmdit.AutoencoderKL.from_pretrained(folders("base"), subfolder="vae")
    latents, previews = draw(6, 1, 16, 4, 4), []
    threads = [threading.Thread(target=lambda: previews.append(vae.preview(latents))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(previews) == 4 and all(preview == previews[0] for preview in previews)


@pytest.mark.parametrize(
    ("latents", "scale"),
    [
        (torch.zeros(16, 4, 4), 1),
        (torch.zeros(1, 4, 4, 4), 1),
        (torch.zeros(1, 16, 4, 4), 0),
        (torch.zeros(1, 16, 4, 4), 1000),
    ],
)
def test_previews_refuse(pipe, latents, scale):
    with pytest.raises(llmdit.InvalidArgument, match="preview"):
        pipe.vae.preview(latents, scale)
