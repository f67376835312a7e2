"""Pictures that runs start from, and how such runs are compared with the reference's."""

import numpy as np
from parity import assert_close
from PIL import Image

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
