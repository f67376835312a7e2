"""Pictures that start from pictures: against diffusers' ZImageImg2ImgPipeline and ZImageInpaintPipeline."""

import json

import llmdit
import numpy as np
import pytest
import torch
from diffusers import ZImageImg2ImgPipeline, ZImageInpaintPipeline
from parity import assert_close, record
from PIL import Image
from reference import draw, run, seeded

PROMPT = "a small red circle left of a blue ring"
QUICK = {"num_inference_steps": 2, "seed": 1}


def picture(width, height, seed=0):
    """Blocks of color with some noise, 8-bit."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((width, height), Image.Resampling.BILINEAR)
    return Image.fromarray(
        np.clip(np.asarray(image).astype(int) + rng.integers(-20, 21, (height, width, 3)), 0, 255).astype(np.uint8)
    )


def box_mask(width, height, box):
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, box)
    return mask


@pytest.fixture(scope="module")
def img2img_of(references):
    return lambda model: quiet(ZImageImg2ImgPipeline(**references(model).components))


@pytest.fixture(scope="module")
def inpaint_of(references):
    return lambda model: quiet(ZImageInpaintPipeline(**references(model).components))


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def steps_of(method, *arguments, **options):
    steps = []

    def on_step(info):
        steps.append(info.latents)

    return method(*arguments, on_step=on_step, output_type="pt", **options), steps


def compare(check, ours, steps, want, where):
    assert len(steps) == len(want.latents) == len(ours.sigmas) - 1, where
    for index, (got, theirs) in enumerate(zip(steps, want.latents)):
        assert_close(f"{check}, latents after each step", got, theirs, where=f"{where}, step {index + 1}")
    assert_close(f"{check}, float picture", ours.images, want.pixels, where=where)


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


# --- inpainting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.4, 0.8, 1.0])
@pytest.mark.parametrize("model", ["base", "wide", "plain", "dynamic"])
def test_inpaint(model, strength, inpaint_of, pipelines):
    options = {
        "image": picture(64, 48),
        "mask_image": box_mask(64, 48, (13, 9, 50, 31)),
        "strength": strength,
        "num_inference_steps": 5,
    }
    want = run(inpaint_of(model), PROMPT, generator=seeded(5), **options)
    ours, steps = steps_of(pipelines(model).inpaint, PROMPT, seed=5, **options)
    compare("inpaint", ours, steps, want, f"{model}, strength {strength}")


def test_soft_colored_masks_of_another_size(inpaint_of, pipelines):
    mask = picture(50, 70, seed=9)
    options = {"image": picture(75, 61), "mask_image": mask, "strength": 0.9, "num_inference_steps": 4}
    want = run(inpaint_of("base"), PROMPT, generator=seeded(6), **options)
    ours, steps = steps_of(pipelines("base").inpaint, PROMPT, seed=6, **options)
    compare("inpaint", ours, steps, want, "a mask of 50x70 for 75x61")
    assert any("mask of 50 x 70" in warning for warning in ours.warnings)


def test_inpaint_batches(inpaint_of, pipelines):
    options = {
        "image": picture(32, 32),
        "mask_image": box_mask(32, 32, (0, 0, 16, 32)),
        "strength": 0.8,
        "num_inference_steps": 3,
        "num_images_per_prompt": 2,
        "guidance_scale": 2.0,
    }
    for generator in (lambda: seeded(8), lambda: [seeded(8), seeded(1)]):
        want = run(inpaint_of("base"), ["a ring", "a star"][:1], generator=generator(), **options)
        ours, steps = steps_of(pipelines("base").inpaint, ["a ring"], generator=generator(), **options)
        compare("inpaint", ours, steps, want, "2 pictures")


def test_inpaint_with_initial_latents(inpaint_of, pipelines):
    options = {
        "image": picture(64, 48),
        "mask_image": box_mask(64, 48, (13, 9, 50, 31)),
        "latents": draw(51, 1, 16, 6, 8),
        "strength": 0.7,
        "num_inference_steps": 4,
    }
    want = run(inpaint_of("base"), PROMPT, generator=seeded(9), **options)
    ours, steps = steps_of(pipelines("base").inpaint, PROMPT, seed=9, **options)
    compare("inpaint", ours, steps, want, "given latents")
    assert ours.seeds == [9]


def test_masks_of_other_kinds(pipe, tmp_path):
    image, mask = picture(48, 48), box_mask(48, 48, (16, 16, 40, 40))
    mask.save(tmp_path / "mask.png")
    array = np.asarray(mask)
    want = pipe.inpaint(PROMPT, image, mask, **QUICK).latents
    floats = torch.from_numpy(array / 255.0)
    for given in (
        tmp_path / "mask.png",
        mask.convert("1"),
        mask.convert("RGB"),
        array,
        array > 0,
        array / 255.0,
        floats,
        floats[None],
        floats[None, None],
    ):
        assert torch.equal(pipe.inpaint(PROMPT, image, given, **QUICK).latents, want)


def test_masks_that_keep_or_paint_everything(pipe):
    image = picture(32, 32)
    everything = pipe.inpaint(PROMPT, image, Image.new("L", (32, 32), 255), strength=0.7, **QUICK)
    assert torch.equal(everything.latents, pipe.img2img(PROMPT, image, strength=0.7, **QUICK).latents)
    nothing = pipe.inpaint(PROMPT, image, Image.new("L", (32, 32), 0), **QUICK)
    assert_close("a black mask", nothing.latents, pipe.img2img(PROMPT, image, strength=0, seed=1).latents, where="base")


def test_a_feathered_edge_fades(pipe):
    """The latents move from the original's to new ones over about the feather's width."""
    image, mask = picture(256, 32), box_mask(256, 32, (128, 0, 256, 32))
    kept = pipe.img2img(PROMPT, image, strength=0, seed=1).latents
    changes = []
    for feather in (0, 64):
        latents = pipe.inpaint(PROMPT, image, mask, mask_feather=feather, **QUICK).latents
        changes.append((latents - kept).abs().mean((0, 1, 2)))
    hard, soft = changes
    assert hard[:16].max() == 0 and hard[16:].min() > 0
    assert soft[:8].max() == 0 and soft[13:16].min() > 0
    assert soft[12] < soft[14] < soft[18]


@pytest.mark.parametrize("feather", [0, 24])
def test_the_image_s_own_pixels_are_put_back(pipe, feather):
    image, mask = picture(96, 32), box_mask(96, 32, (64, 0, 96, 32))
    options = {"mask_feather": feather, **QUICK}
    plain = np.asarray(pipe.inpaint(PROMPT, image, mask, **options).images[0])
    result = pipe.inpaint(PROMPT, image, mask, mask_composite=True, **options)
    put_back = np.asarray(result.images[0])
    kept = slice(0, 64 - feather)
    assert np.array_equal(put_back[:, kept], np.asarray(image)[:, kept])
    assert not np.array_equal(plain[:, kept], np.asarray(image)[:, kept])
    assert np.array_equal(put_back[:, 64 + feather :], plain[:, 64 + feather :])
    assert result.warnings == []


# --- outpainting ------------------------------------------------------------------------------------------------------


def test_outpaint_continues_the_edge_and_paints_what_is_new(pipe):
    image = picture(48, 32)
    given = [16, 32, 0, 16]
    ours = pipe.inpaint(PROMPT, image, outpaint=given, strength=0.6, mask_composite=True, **QUICK)
    assert ours.images[0].size == (64, 80)
    array = np.pad(np.asarray(image), ((32, 16), (16, 0), (0, 0)), mode="edge")
    mask = np.full((80, 64), 255, np.uint8)
    mask[32:64, 16:] = 0
    want = pipe.inpaint(PROMPT, array, mask, strength=0.6, mask_composite=True, **QUICK)
    assert torch.equal(ours.latents, want.latents)
    assert np.array_equal(np.asarray(ours.images[0])[32:64, 16:], np.asarray(image))


def test_outpaint_with_a_mask_paints_both(pipe):
    image, mask = picture(32, 32), box_mask(32, 32, (0, 0, 16, 16))
    ours = pipe.inpaint(PROMPT, image, mask, outpaint=[0, 0, 16, 0], **QUICK)
    both = np.zeros((32, 48), np.uint8)
    both[:16, :16] = 255
    both[:, 32:] = 255
    want = pipe.inpaint(PROMPT, np.pad(np.asarray(image), ((0, 0), (0, 16), (0, 0)), mode="edge"), both, **QUICK)
    assert torch.equal(ours.latents, want.latents)


@pytest.mark.parametrize("outpaint", [[1, 2, 3], [0, 0, 0, 0], [0.5, 0, 0, 0], [-16, 0, 0, 0], [1e9, 0, 0, 0]])
def test_outpaint_refuses(pipe, outpaint):
    with pytest.raises(llmdit.InvalidArgument, match="outpaint"):
        pipe.inpaint(PROMPT, picture(32, 32), outpaint=outpaint, **QUICK)


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
