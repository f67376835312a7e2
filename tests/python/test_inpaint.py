"""Pictures painted into and beyond pictures, against diffusers' ZImageInpaintPipeline."""

import llmdit
import numpy as np
import pytest
import torch
from diffusers import ZImageInpaintPipeline
from parity import assert_close
from PIL import Image
from reference import draw, run, seeded
from start_pictures import PROMPT, QUICK, box_mask, compare, picture, quiet, steps_of


@pytest.fixture(scope="module")
def inpaint_of(references):
    return lambda model: quiet(ZImageInpaintPipeline(**references(model).components))


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
