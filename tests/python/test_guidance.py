"""Classifier-free guidance against the formulas of diffusers' Z-Image pipeline."""

import llmdit
import pytest
import torch
from parity import assert_close
from reference import draw


def reference_guidance(positive, negative, scale, normalization):
    """The reference's own lines, item by item."""
    items = []
    for pos, neg in zip(positive, negative):
        pred = pos + scale * (pos - neg)
        if normalization > 0:
            allowed = torch.linalg.vector_norm(pos) * normalization
            norm = torch.linalg.vector_norm(pred)
            if norm > allowed:
                pred = pred * (allowed / norm)
        items.append(pred)
    return torch.stack(items)


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.5])
@pytest.mark.parametrize("normalization", [0.0, 0.5, 1.0, 2.0, 100.0])
def test_apply_guidance(scale, normalization):
    positive, negative = draw(1, 3, 16, 6, 4), draw(2, 3, 16, 6, 4)
    negative[1] = positive[1]  # nothing to guide away from
    want = reference_guidance(positive, negative, scale, normalization)
    got = llmdit.apply_guidance(positive, negative=negative, scale=scale, normalization=normalization)
    assert_close("guidance", got, want, bound=1e-6, where=f"scale {scale}, normalization {normalization}")


def test_truncation_is_strict():
    options = llmdit.GuidanceOptions(scale=3.0, truncation=0.5)
    assert llmdit.guidance_scale_at(options, t=0.5) == 3.0
    assert llmdit.guidance_scale_at(options, t=0.500001) == 0.0
    assert llmdit.guidance_scale_at(llmdit.GuidanceOptions(scale=3.0), t=1.0) == 3.0
    assert repr(options) == "GuidanceOptions(scale=3.0, normalization=0.0, truncation=0.5)"


def test_zero_is_a_value_and_none_is_not_given(pipe):
    """Field report D4: a guidance of 0 was taken for unset."""
    options = {"seed": 1, "width": 32, "height": 32, "num_inference_steps": 1, "output_type": "latent"}
    plain = pipe("a cat", **options).images
    for off in (0, 0.0, None):
        assert torch.equal(pipe("a cat", guidance_scale=off, **options).images, plain)
    assert not torch.equal(pipe("a cat", guidance_scale=1, **options).images, plain)
    assert llmdit.GenerateOptions(guidance_scale=0, seed=0).seed == 0
