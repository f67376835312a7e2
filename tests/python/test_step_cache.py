"""Steps that are not run whole, against a naive first block cache on the reference's layers."""

import dataclasses
import functools

import llmdit
import pytest
import torch
from command import DEMO_MODEL
from parity import assert_close, relative_error
from reference import run, seeded
from tiny_models import MODELS, make_pipeline, save_folder

PROMPT = "a small red circle left of a blue ring"
SIZE = {"width": 48, "height": 32}


# Random weights make of the published time scale, 1000, another picture at each step.
SMOOTH = {
    name: dataclasses.replace(MODELS[name], transformer=MODELS[name].transformer | {"t_scale": 3.0})
    for name in ("base", "plain")
}


@pytest.fixture(scope="module")
def smooth(tmp_path_factory):
    """Our pipelines of models whose steps are much like each other."""
    folder = tmp_path_factory.mktemp("smooth")
    return {
        name: llmdit.ZImagePipeline.from_pretrained(save_folder(make_pipeline(model), folder / name))
        for name, model in SMOOTH.items()
    }


class FirstBlockCache:
    """What diffusers.hooks.FirstBlockCacheConfig does to other models' layers: 0.42 takes Z-Image's only by name."""

    def __init__(self, layers, threshold):
        self.threshold, self.short = threshold, []
        self._added = self._after_first = self._rest = None
        forwards = [layer.forward for layer in layers]
        layers[0].forward = lambda x, *rest: self._first(forwards[0], x, *rest)
        for layer, forward in zip(layers[1:], forwards[1:], strict=True):
            layer.forward = functools.partial(self._later, forward, layer is layers[-1])

    def _first(self, forward, x, *rest):
        y = forward(x, *rest)
        added = y - x
        fits = self._added is not None and self._added.shape == added.shape
        self.short.append(
            bool(fits and (added - self._added).abs().mean() / self._added.abs().mean() <= self.threshold)
        )
        if self.short[-1]:
            return y + self._rest
        self._added, self._after_first = added, y
        return y

    def _later(self, forward, is_last, x, *rest):
        if self.short[-1]:
            return x
        y = forward(x, *rest)
        if is_last:
            self._rest = y - self._after_first
        return y


@pytest.mark.parametrize("guidance", [0.0, 3.0])
@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.2, 0.6])
@pytest.mark.parametrize("model", ["base", "plain"])
def test_first_block_cache(model, threshold, guidance, smooth):
    options = SIZE | {"num_inference_steps": 8, "guidance_scale": guidance, "negative_prompt": PROMPT[::-1]}
    reference = make_pipeline(SMOOTH[model])
    cache = FirstBlockCache(reference.transformer.layers, threshold)
    want = run(reference, PROMPT, generator=seeded(5), **options)
    if not guidance:
        del options["negative_prompt"]
    ours = smooth[model](PROMPT, seed=5, step_cache=threshold, output_type="pt", **options)
    assert ours.reused_steps == [step for step, is_short in enumerate(cache.short) if is_short]
    assert_close("first block cache, float picture", ours.images, want.pixels, where=f"{model}, {threshold}")


def test_thresholds_do_something(smooth):
    reused = [
        len(smooth["base"](PROMPT, seed=5, step_cache=threshold, num_inference_steps=8, **SIZE).reused_steps)
        for threshold in (0.05, 0.1, 0.2, 0.6)
    ]
    assert reused == sorted(set(reused)) and reused[0] < 2 and 6 <= reused[-1] <= 7  # the first step always runs


def test_off_unless_asked_for(pipelines):
    plain = pipelines("base")(PROMPT, seed=5, **SIZE)
    off = pipelines("base")(PROMPT, seed=5, step_cache=0, **SIZE)
    assert plain.reused_steps == [] and torch.equal(plain.latents, off.latents)
    # A threshold that no step meets leaves every bit.
    tight = pipelines("base")(PROMPT, seed=5, step_cache=1e-9, **SIZE)
    assert tight.reused_steps == [] and torch.equal(plain.latents, tight.latents)


def test_runs_share_nothing(smooth):
    pipe = smooth["base"]
    first, second = (pipe(PROMPT, seed=5, step_cache=0.3, **SIZE) for _ in range(2))
    assert first.reused_steps == second.reused_steps != [] and torch.equal(first.latents, second.latents)


def test_guidance_that_ends_on_the_way(smooth):
    """The rows are others then: nothing that was kept fits."""
    result = smooth["base"](
        PROMPT, seed=5, step_cache=1.0, num_inference_steps=8, guidance_scale=2.0, cfg_truncation=0.5, **SIZE
    )
    whole = [step for step in range(8) if step not in result.reused_steps]
    times = [1 - sigma for sigma in result.sigmas]
    assert whole == [0, next(step for step in range(8) if times[step] > 0.5)]


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_other_thresholds_are_refused(value, pipelines):
    with pytest.raises(ValueError, match="step_cache"):
        pipelines("base")(PROMPT, step_cache=value)


def test_one_step_has_none_before_it(pipelines):
    result = pipelines("base")(PROMPT, seed=1, num_inference_steps=1, step_cache=0.5, **SIZE)
    assert "step_cache has no effect on a single step" in result.warnings and result.reused_steps == []


def test_with_weights_that_are_streamed():
    options = {"seed": 5, "step_cache": 0.3, "num_inference_steps": 6} | SIZE
    whole, streamed = (
        llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, device="cpu", **load) for load in ({}, {"max_memory": "5MB"})
    )
    want, got = whole(PROMPT, **options), streamed(PROMPT, **options)
    assert got.reused_steps == want.reused_steps != [] and torch.equal(got.latents, want.latents)


def test_what_is_kept_is_planned():
    """Rows before the first layer and what it and the others add, of the last whole step and of this one."""
    plain, cached = (
        llmdit.plan(DEMO_MODEL, ["a cat"], num_inference_steps=4, step_cache=threshold).stages[1].activation_bytes
        for threshold in (0, 0.1)
    )
    rows, dim = (128 // 16) ** 2 + 32, llmdit.ZImageTransformer.from_pretrained(DEMO_MODEL / "transformer").config.dim
    assert cached - plain == 4 * rows * dim * 4


def test_error_on_pictures_of_the_demo_model():
    """What docs/performance.md tells of thresholds."""
    pipe = llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, device="cpu")
    options = {"seed": 1, "num_inference_steps": 20, "output_type": "pt"}
    whole = pipe("a red circle left of a blue star on a yellow background", **options)
    errors = []
    for threshold in (0.05, 0.1, 0.2):
        result = pipe("a red circle left of a blue star on a yellow background", step_cache=threshold, **options)
        errors.append(relative_error(result.images, whole.images))
        print(threshold, len(result.reused_steps), errors[-1], (result.images - whole.images).abs().mean().item())
    assert errors == sorted(errors) and errors[0] < 0.3
