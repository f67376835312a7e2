"""The demo model that comes with the library: as the reference draws it, and the right things."""

import importlib.util
import sys
from types import ModuleType

import llmdit
import numpy as np
import pytest
import tiny_models
import torch
from parity import assert_close, record
from reference import run, seeded

DEMO_MODEL = tiny_models.REPOSITORY / "examples/demo_model"
CHECKER = tiny_models.REPOSITORY / "tools/train_demo/check.py"
STEPS = 8
PROMPTS = ["a red circle", "a large blue star on a yellow background", "a green square left of a white ring"]


@pytest.fixture(scope="module")
def demo() -> llmdit.ZImagePipeline:
    return llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())


def test_the_demo_model_is_found():
    assert llmdit.demo_model_path().resolve() == DEMO_MODEL.resolve()


def test_equals_the_reference(demo):
    reference = tiny_models.load_pipeline(DEMO_MODEL)
    for index, prompt in enumerate(PROMPTS):
        steps = []
        ours = demo(
            prompt,
            num_inference_steps=STEPS,
            seed=index,
            output_type="pt",
            on_step=lambda info: steps.append(info.latents),
        )
        want = run(reference, prompt, width=128, height=128, num_inference_steps=STEPS, generator=seeded(index))
        for step, (got, theirs) in enumerate(zip(steps, want.latents)):
            assert_close("demo model, latents after each step", got, theirs, where=f"{prompt!r}, step {step + 1}")
        assert_close("demo model, float picture", ours.images, want.pixels, where=repr(prompt))
        levels = lambda pixels: (pixels * 255).round().int()  # noqa: E731
        difference = (levels(ours.images) - levels(want.pixels)).abs().max().item()
        record("demo model, levels", difference, bound=1, where=repr(prompt))


def test_hidden_states_equal_the_reference(demo):
    reference = tiny_models.load_pipeline(DEMO_MODEL)
    ids = torch.tensor(demo.tokenizer.encode(llmdit.format_prompt(PROMPTS[2])))
    states = reference.text_encoder(ids[None], output_hidden_states=True).hidden_states
    for layer, want in enumerate(states):
        assert_close(
            "demo model, hidden states", demo.text_encoder.hidden_states(ids, layer), want[0], where=f"layer {layer}"
        )


def checker() -> ModuleType:
    if not CHECKER.exists():
        pytest.skip("tools/train_demo/check.py is not there")
    sys.path.insert(0, str(CHECKER.parents[1]))
    try:
        return importlib.import_module("train_demo.check")
    finally:
        sys.path.pop(0)


def test_draws_what_it_was_not_trained_on(demo):
    check = checker()
    scenes = check.held_out_set(48)
    scores: dict[str, list[bool]] = {}
    for start in range(0, len(scenes), 8):
        batch = scenes[start : start + 8]
        pictures = demo([scene.caption for scene in batch], num_inference_steps=STEPS, seed=start).images
        for picture, scene in zip(pictures, batch):
            for aspect, right in check.check(np.asarray(picture), scene).items():
                scores.setdefault(aspect, []).append(bool(right))
    for aspect, least in {"background": 0.95, "colour": 0.95, "shape": 0.90, "position": 0.90}.items():
        wrong = 1 - sum(scores[aspect]) / len(scores[aspect])
        record(f"demo model, share of wrong {aspect}s", wrong, bound=1 - least, where=f"{len(scenes)} held-out prompts")
