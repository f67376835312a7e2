"""The demo model that comes with the library: as the reference draws it, and the right things."""

import importlib
import sys
from types import ModuleType
from typing import Any

import llmdit
import pytest
import tiny_models
import torch
from parity import assert_close, record
from reference import run, seeded

DEMO_MODEL = tiny_models.REPOSITORY / "examples/demo_model"
STEPS = 8
PROMPTS = ["a red circle", "a large blue star on a yellow background", "a green square left of a white ring"]


@pytest.fixture(scope="module")
def demo() -> llmdit.ZImagePipeline:
    return llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())


@pytest.fixture(scope="module")
def reference() -> Any:
    return tiny_models.load_pipeline(DEMO_MODEL)


def test_the_demo_model_is_found():
    assert llmdit.demo_model_path().resolve() == DEMO_MODEL.resolve()


def levels(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * 255).round().int()


@pytest.mark.parametrize("seed, prompt", enumerate(PROMPTS))
def test_equals_the_reference(demo, reference, seed, prompt):
    steps = []
    ours = demo(
        prompt,
        num_inference_steps=STEPS,
        seed=seed,
        output_type="pt",
        on_step=lambda info: steps.append(info.latents),
    )
    want = run(reference, prompt, width=128, height=128, num_inference_steps=STEPS, generator=seeded(seed))
    assert len(steps) == len(want.latents) == STEPS
    for step, (got, theirs) in enumerate(zip(steps, want.latents)):
        assert_close("demo model, latents after each step", got, theirs, where=f"{prompt!r}, step {step + 1}")
    assert_close("demo model, float picture", ours.images, want.pixels, where=repr(prompt))
    difference = (levels(ours.images) - levels(want.pixels)).abs().max().item()
    record("demo model, levels", difference, bound=1, where=repr(prompt))


def test_hidden_states_equal_the_reference(demo, reference):
    ids = torch.tensor(demo.tokenizer.encode(llmdit.format_prompt(PROMPTS[2])))
    states = reference.text_encoder(ids[None], output_hidden_states=True).hidden_states
    for layer, want in enumerate(states):
        assert_close(
            "demo model, hidden states", demo.text_encoder.hidden_states(ids, layer), want[0], where=f"layer {layer}"
        )


def checker() -> ModuleType:
    sys.path.insert(0, str(tiny_models.REPOSITORY))
    try:
        return importlib.import_module("tools.train_demo.check")
    finally:
        sys.path.pop(0)


def test_draws_what_it_was_not_trained_on(demo):
    check = checker()
    cases = check.held_out_set(32, mix=check.PLAIN) + check.held_out_set(16)
    verdicts = []
    for start in range(0, len(cases), 8):
        captions, scenes = zip(*cases[start : start + 8])
        pictures = demo(captions, num_inference_steps=STEPS, seed=start).images
        verdicts += [check.check(picture, scene) for picture, scene in zip(pictures, scenes)]
    for aspect, least in {"background": 0.95, "colour": 0.95, "shape": 0.90, "position": 0.90}.items():
        wrong = sum(not getattr(verdict, aspect) for verdict in verdicts) / len(verdicts)
        record(f"demo model, share of a wrong {aspect}", wrong, bound=1 - least, where=f"{len(cases)} held-out prompts")
