"""Pictures that start from pictures, against diffusers' ZImageImg2ImgPipeline."""

import json

import llmdit
import numpy as np
import pytest
import torch
from diffusers import ZImageImg2ImgPipeline
from parity import assert_close, record
from PIL import Image
from reference import draw, run, seeded
from start_pictures import PROMPT, QUICK, box_mask, compare, picture, quiet, steps_of


@pytest.fixture(scope="module")
def img2img_of(references):
    return lambda model: quiet(ZImageImg2ImgPipeline(**references(model).components))


# --- image to image ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.05, 0.3, 0.6, 0.75, 1.0])
@pytest.mark.parametrize("model", ["base", "wide", "plain", "dynamic"])
def test_img2img(model, strength, img2img_of, pipelines):
    image = picture(64, 48)
    options = {"image": image, "strength": strength, "num_inference_steps": 5}
    want = run(img2img_of(model), PROMPT, generator=seeded(5), **options)
    ours, steps = steps_of(pipelines(model).img2img, PROMPT, seed=5, **options)
    compare("img2img", ours, steps, want, f"{model}, strength {strength}")


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 20])
def test_steps_that_run(steps, img2img_of, pipelines):
    theirs = img2img_of("base")
    for tenths in range(1, 11):
        theirs.scheduler.set_timesteps(steps, mu=0.0)
        want = theirs.get_timesteps(steps, tenths / 10, "cpu")[1]
        sigmas = (
            pipelines("base")
            .img2img(
                "",
                Image.new("RGB", (16, 16)),
                strength=tenths / 10,
                num_inference_steps=steps,
                seed=0,
                output_type="latent",
            )
            .sigmas
        )
        assert len(sigmas) - 1 == want, (steps, tenths)


def test_guided_img2img_with_given_sigmas(img2img_of, pipelines):
    options = {
        "image": picture(48, 48),
        "strength": 0.7,
        "sigmas": [1.0, 0.8, 0.5, 0.2],
        "guidance_scale": 3.0,
        "negative_prompt": "blurry",
        "cfg_normalization": True,
    }
    want = run(img2img_of("base"), PROMPT, num_inference_steps=4, generator=seeded(6), **options)
    ours, steps = steps_of(pipelines("base").img2img, PROMPT, seed=6, **options)
    compare("img2img", ours, steps, want, "guided")


def test_one_generator_draws_posterior_then_noise_of_the_batch(img2img_of, pipelines):
    options = {"image": picture(32, 48), "strength": 0.6, "num_inference_steps": 3, "num_images_per_prompt": 3}
    want = run(img2img_of("base"), PROMPT, generator=seeded(7), **options)
    ours, steps = steps_of(pipelines("base").img2img, PROMPT, generator=seeded(7), **options)
    compare("img2img", ours, steps, want, "one generator for 3 pictures")
    assert ours.seeds == []


def test_list_of_generators(img2img_of, pipelines):
    options = {"image": picture(32, 48), "strength": 0.6, "num_inference_steps": 3, "num_images_per_prompt": 2}
    want = run(img2img_of("base"), PROMPT, generator=[seeded(7), seeded(8)], **options)
    ours, steps = steps_of(pipelines("base").img2img, PROMPT, generator=[seeded(7), seeded(8)], **options)
    compare("img2img", ours, steps, want, "a list of 2 generators")


def test_a_seed_a_picture(img2img_of, pipelines):
    prompts = ["a ring", "a blue star"]
    options = {"strength": 0.6, "num_inference_steps": 3, "num_images_per_prompt": 2}
    image = picture(32, 32)
    ours, steps = steps_of(pipelines("base").img2img, prompts, image=image, seed=30, **options)
    assert ours.seeds == [30, 31, 32, 33]
    want = run(img2img_of("base"), prompts, image=[image] * 4, generator=[seeded(s) for s in ours.seeds], **options)
    compare("img2img", ours, steps, want, "4 seeds")
    for index, seed in enumerate(ours.seeds):
        alone = pipelines("base").img2img(
            prompts[index // 2], image, strength=0.6, num_inference_steps=3, seed=seed, output_type="pt"
        )
        assert_close("an img2img picture alone and in a batch", ours.images[index], alone.images[0], where=str(index))


def test_initial_latents_stand_for_the_noisy_image(img2img_of, pipelines):
    latents = draw(50, 1, 16, 6, 8)
    options = {"image": picture(64, 48), "strength": 0.5, "latents": latents, "num_inference_steps": 4}
    want = run(img2img_of("base"), PROMPT, **options)
    ours, steps = steps_of(pipelines("base").img2img, PROMPT, **options)
    compare("img2img", ours, steps, want, "given latents")
    assert any("image has no effect" in warning for warning in ours.warnings)


def test_float_tensors_keep_their_digits(img2img_of, pipelines):
    pixels = draw(9, 1, 3, 32, 48).mul(0.2).add(0.5).clamp(0, 1)
    options = {"strength": 0.4, "num_inference_steps": 4}
    want = run(img2img_of("base"), PROMPT, image=pixels, generator=seeded(3), **options)
    for given in (pixels, pixels[0], pixels.double(), pixels[0].permute(1, 2, 0).numpy()):
        ours, steps = steps_of(pipelines("base").img2img, PROMPT, image=given, seed=3, **options)
        compare("img2img", ours, steps, want, "float pixels")


def test_strength_0_is_the_autoencoder_alone(references, pipelines):
    image = picture(48, 32)
    seen = []
    ours = pipelines("base").img2img(PROMPT, image, strength=0, seed=4, output_type="pt", on_step=seen.append)
    assert seen == [] and ours.sigmas == [0.0] and ours.timings.steps == []
    vae = references("base").vae
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    decoded = vae.decode(vae.encode(pixels).latent_dist.sample(seeded(4))).sample
    assert_close("strength 0", ours.images, (decoded * 0.5 + 0.5).clamp(0, 1), where="base")
    assert any("strength is 0" in warning for warning in ours.warnings)


def test_strength_above_0_runs_a_step(pipe):
    assert len(pipe.img2img(PROMPT, picture(32, 32), strength=1e-9, seed=0).sigmas) == 2
    assert len(pipe.img2img(PROMPT, picture(32, 32), strength=1e-300, num_inference_steps=50, seed=0).sigmas) == 2


def test_strength_1_starts_from_noise(pipe):
    options = {"num_inference_steps": 3, "generator": seeded(1), "output_type": "latent"}
    first, second = (
        pipe.img2img(PROMPT, picture(32, 32, s), strength=1, **{**options, "generator": seeded(1)}) for s in (1, 2)
    )
    assert torch.equal(first.images, second.images) and len(first.sigmas) == 4


def test_default_strengths(pipe):
    image = picture(32, 32)
    options = {"num_inference_steps": 8, "seed": 0, "output_type": "latent"}
    assert len(pipe.img2img(PROMPT, image, **options).sigmas) - 1 == 6
    assert len(pipe.inpaint(PROMPT, image, box_mask(32, 32, (0, 0, 16, 16)), **options).sigmas) - 1 == 8
    assert len(pipe.inpaint(PROMPT, image, outpaint=[16, 0, 0, 0], **options).sigmas) - 1 == 8


def test_colors_survive_the_round_trip(folders):
    """Field report I5. A flat picture at low strength: the order of scale and shift, and the range of pixels."""
    demo = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
    for color in ((128, 128, 128), (220, 30, 30), (20, 60, 200)):
        result = demo.img2img("", Image.new("RGB", (128, 128), color), strength=0, seed=3)
        mean = np.asarray(result.images[0]).reshape(-1, 3).mean(0)
        assert np.abs(mean - color).max() < 24, (color, mean)


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "want"), [((64, 48), (64, 48)), ((75, 61), (64, 48)), ((20, 17), (16, 16)), ((9, 300), (16, 288))]
)
def test_size_is_the_image_s_down_to_a_multiple(size, want, pipe):
    result = pipe.img2img(PROMPT, picture(*size), **QUICK)
    assert result.images[0].size == want
    assert any("resized" in warning for warning in result.warnings) == (size != want)


def test_resized_as_the_reference_does(img2img_of, pipelines):
    options = {"image": picture(75, 61), "strength": 0.6, "num_inference_steps": 3}
    want = run(img2img_of("base"), PROMPT, generator=seeded(2), **options)
    ours, steps = steps_of(pipelines("base").img2img, PROMPT, seed=2, **options)
    compare("img2img", ours, steps, want, "75x61")


def test_width_and_height_are_honoured(pipe):
    """Field report I3, as the sizes in test_errors."""
    image = picture(60, 40)
    both = pipe.img2img(PROMPT, image, width=96, height=64, **QUICK)
    assert both.images[0].size == (96, 64) and both.warnings == []
    direct = pipe.img2img(PROMPT, image.resize((96, 64), Image.Resampling.LANCZOS), **QUICK)
    assert torch.equal(both.latents, direct.latents)
    assert pipe.img2img(PROMPT, image, width=96, **QUICK).images[0].size == (96, 64)
    assert pipe.img2img(PROMPT, image, height=80, **QUICK).images[0].size == (128, 80)
    stretched = pipe.img2img(PROMPT, image, width=64, height=64, **QUICK)
    assert stretched.images[0].size == (64, 64) and any("stretched" in warning for warning in stretched.warnings)
    with pytest.raises(llmdit.InvalidArgument, match="multiple of 16"):
        pipe.img2img(PROMPT, image, width=100, height=64)


@pytest.mark.parametrize(
    ("size", "to"),
    [
        ((40, 30), (17, 61)),
        ((64, 64), (32, 16)),
        ((5, 7), (80, 90)),
        ((33, 21), (33, 9)),
        ((1, 1), (7, 3)),
        ((301, 200), (64, 64)),
    ],
)
def test_resize_is_pillow_s(size, to):
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    ours = np.asarray(llmdit.resize_image(image, *to)).astype(int)
    theirs = np.asarray(image.resize(to, Image.Resampling.LANCZOS)).astype(int)
    assert ours.shape == theirs.shape
    record("resize against Pillow, levels", np.abs(ours - theirs).max().item(), bound=0, where=f"{size} to {to}")


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (1 << 40, 5)])
def test_resize_refuses(size):
    with pytest.raises(llmdit.InvalidArgument, match="sides"):
        llmdit.resize_image(Image.new("RGB", (4, 4)), *size)


# --- kinds of pictures ------------------------------------------------------------------------------------------------


def test_kinds_of_pictures_are_one(pipe, tmp_path):
    image = picture(32, 32)
    image.save(tmp_path / "in.png")
    array = np.asarray(image)
    want = pipe.img2img(PROMPT, image, **QUICK).latents
    opaque = image.convert("RGBA")
    for given in (tmp_path / "in.png", str(tmp_path / "in.png"), array, array[None], llmdit.Image(array), opaque):
        assert torch.equal(pipe.img2img(PROMPT, given, **QUICK).latents, want), type(given)
    options = llmdit.GenerateOptions(image=tmp_path / "in.png", **QUICK)
    assert torch.equal(pipe(PROMPT, options=options).latents, want)
    assert options.image == llmdit.Image(array)


def test_alpha_lies_over_white_in_images_and_over_black_in_masks(pipe):
    image = picture(32, 32)
    clear = Image.new("RGBA", (32, 32), (255, 255, 255, 0))
    white = pipe.img2img(PROMPT, Image.new("RGB", (32, 32), "white"), **QUICK).latents
    assert torch.equal(pipe.img2img(PROMPT, clear, **QUICK).latents, white)
    result = pipe.inpaint(PROMPT, image, clear, **QUICK)
    assert any("no white" in warning for warning in result.warnings)


def test_gray_pictures(pipe):
    gray = picture(32, 32).convert("L")
    want = pipe.img2img(PROMPT, gray.convert("RGB"), **QUICK).latents
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    for given in (gray, np.asarray(gray), deep):
        assert torch.equal(pipe.img2img(PROMPT, given, **QUICK).latents, want)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (torch.zeros(3, 32, 32, dtype=torch.uint8), llmdit.InvalidArgument),
        (torch.zeros(4, 32, 32), llmdit.InvalidArgument),
        (torch.zeros(2, 3, 32, 32), llmdit.InvalidArgument),
        (torch.full((3, 32, 32), 1.5), llmdit.InvalidArgument),
        (torch.full((3, 32, 32), float("nan")), llmdit.InvalidArgument),
        (torch.full((3, 32, 32), -1.0), llmdit.InvalidArgument),
        (np.zeros((32, 32, 3), np.int64), ValueError),
        ([1, 2], TypeError),
        ("no such file.png", llmdit.NotFound),
    ],
)
def test_no_pictures(pipe, image, error):
    with pytest.raises(error):
        pipe.img2img(PROMPT, image, **QUICK)


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"strength": 0.5}, "strength"),
        ({"outpaint": [16, 0, 0, 0]}, "outpaint"),
        ({"mask_image": Image.new("L", (16, 16), 255)}, "mask_image"),
        ({"mask_feather": 8}, "mask_feather"),
        ({"mask_composite": True}, "mask_composite"),
        ({"image": Image.new("RGB", (32, 32)), "mask_feather": 8}, "mask_feather"),
        ({"vae_tiling": "off", "vae_tile_size": 64}, "vae_tile_size"),
    ],
)
def test_effectless_options_are_told(pipe, options, told):
    result = pipe(PROMPT, width=32, height=32, **QUICK, **options)
    assert any(warning.startswith(f"{told} has no effect") for warning in result.warnings), result.warnings


def test_arguments_that_are_missing(pipe):
    with pytest.raises(TypeError, match="needs an image"):
        pipe.img2img(PROMPT)
    with pytest.raises(TypeError, match="mask_image or outpaint"):
        pipe.inpaint(PROMPT, picture(32, 32))
    with pytest.raises(TypeError, match="did you mean 'strength'"):
        pipe.img2img(PROMPT, picture(32, 32), strenght=0.5)
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(llmdit.InvalidArgument, match="strength"):
            pipe.img2img(PROMPT, picture(32, 32), strength=strength)


def test_decode_only_autoencoders_are_refused_before_any_work(model_copy):
    from safetensors.torch import load_file, save_file

    folder = model_copy()
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(path).items() if not name.startswith("encoder.")}, path)
    pipe = llmdit.ZImagePipeline.from_pretrained(folder)
    assert not pipe.vae.has_encoder
    with pytest.raises(llmdit.Unsupported, match="encoder"):
        pipe.img2img(PROMPT, picture(32, 32))
    assert pipe(PROMPT, **QUICK, width=32, height=32).images


def test_saved_pictures_tell_their_strength(pipe):
    result = pipe.img2img(PROMPT, picture(32, 32), strength=0.5, num_inference_steps=4, seed=3)
    parameters = result.parameters()
    settings = json.loads(parameters["llmdit"])
    assert settings["strength"] == 0.5 and settings["num_inference_steps"] == 4 and "image" in settings["unrecorded"]
    assert "Steps: 4," in parameters["parameters"] and "Denoising strength: 0.5" in parameters["parameters"]


def test_stopping_an_img2img_run(pipe):
    with pytest.raises(llmdit.Cancelled):
        pipe.img2img(PROMPT, picture(32, 32), num_inference_steps=9, on_step=lambda info: info.step == 1)
