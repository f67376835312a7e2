"""The LoRA that comes with the demo model: all of it is used, and its style grows with the scale."""

import json
import struct

import llmdit
import numpy as np
import pytest
import tiny_models
import torch
from parity import record
from safetensors.torch import load_file

LORA = tiny_models.REPOSITORY / "examples/demo_model/loras/neon.safetensors"
PROMPTS = ["a red circle on a white background", "a big blue star on a yellow background", "a green square on pink"]
SCALES = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def demo() -> llmdit.ZImagePipeline:
    return llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())


def draw(pipe: llmdit.ZImagePipeline) -> np.ndarray:
    return pipe(PROMPTS, num_inference_steps=8, seed=1, output_type="np").images


def darkness(pictures: np.ndarray) -> np.ndarray:
    """The share of each picture that is dark in every channel: neon has a dark ground."""
    return (pictures.max(-1) < 0.3).mean((1, 2))


@pytest.fixture(scope="module")
def over_scales(demo) -> dict[float, np.ndarray]:
    pictures = {}
    for scale in SCALES:
        demo.load_lora(LORA, scale=scale)
        pictures[scale] = draw(demo)
        demo.unload_loras()
    return pictures


def test_every_key_is_used(demo):
    modules = {key.removesuffix(".lora_A.weight") for key in load_file(LORA) if key.endswith(".lora_A.weight")}
    report = demo.load_lora(LORA, strict=True)
    demo.unload_loras()
    assert len(modules) == 5 * 7  # four layers and the noise refiner; four matrices of attention, three behind it
    assert report.applied == sorted(f"{module.removeprefix('transformer.')}.weight" for module in modules)
    assert not report.unused and not report.warnings


def test_says_what_it_is():
    with LORA.open("rb") as file:
        metadata = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))["__metadata__"]
    ranks = {tensor.shape[0] for key, tensor in load_file(LORA).items() if key.endswith("lora_A.weight")}
    assert ranks == {int(metadata["rank"])}
    assert metadata["style"] and metadata["base_model"]
    assert LORA.stat().st_size < 400_000


def test_the_style_grows_with_the_scale(over_scales):
    plain, half, whole = (darkness(over_scales[scale]) for scale in SCALES)
    assert (plain < 0.05).all(), "these prompts have bright grounds"
    brightness = [over_scales[scale].mean((1, 2, 3)) for scale in SCALES]
    assert (brightness[0] > brightness[1]).all() and (brightness[1] > brightness[2]).all()
    assert (plain <= half).all() and (half < whole).all()
    assert (whole > 0.5).all()
    brightest = over_scales[1.0].reshape(len(PROMPTS), -1).max(1)
    assert (brightest > 0.5).all(), "the outlines glow in the colours of the shapes, green the darkest of these"


def bounds(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([rows[0], rows[-1], columns[0], columns[-1]])


def test_the_content_stays(over_scales):
    """Light has the place, the extent and the colour of the object in the plain picture of the same prompt and seed."""
    for prompt, plain, styled in zip(PROMPTS, over_scales[0.0], over_scales[1.0]):
        ground = np.median(plain[:4].reshape(-1, 3), 0)
        thing, light = np.abs(plain - ground).max(-1) > 0.3, styled.max(-1) > 0.4
        shift = np.abs(bounds(thing) - bounds(light)).max()
        record("neon, edges away from their place, pixels", shift, bound=10, where=prompt)
        likeness = np.corrcoef(plain[thing].mean(0), styled[light].mean(0))[0, 1]
        record("neon, colour unlike the object's", 1 - likeness, bound=0.1, where=prompt)


def test_scale_zero_and_removal_leave_the_model_as_it_was(demo, over_scales):
    assert torch.equal(torch.from_numpy(draw(demo)), torch.from_numpy(over_scales[0.0]))
