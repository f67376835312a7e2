"""Calls and objects leave no memory behind. `make leaks` runs a thousand cycles instead of the few here."""

import os

import llmdit
import numpy as np
import pytest
from memory_in_use import bytes_in_use

CYCLES = int(os.environ.get("LLMDIT_TEST_CYCLES", "30"))


def growth(cycle) -> float:
    """Bytes a cycle."""
    for _ in range(10):
        cycle()
    before = bytes_in_use()
    for _ in range(CYCLES):
        cycle()
    return (bytes_in_use() - before) / CYCLES


def test_pictures(pipe):
    def cycle():
        seen = []
        result = pipe(
            "a red circle",
            seed=1,
            num_inference_steps=1,
            width=64,
            height=64,
            on_step=lambda info: seen.append(info.latents),
        )
        assert len(seen) == 1 and np.asarray(result.images[0]).shape == (64, 64, 3)
        with pytest.raises(ValueError):
            pipe("a red circle", num_inference_steps=0)

    assert growth(cycle) < 1024  # one picture has 12 KB


def test_models(folders):
    def cycle():
        pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"))
        assert pipe.encode_prompt("a red circle").token_counts[0] > 0

    assert growth(cycle) < 16 * 1024  # its tokenizer alone has more


def test_stopped_calls(pipe):
    def cycle():
        with pytest.raises(llmdit.Cancelled):
            pipe("a red circle", seed=1, num_inference_steps=3, width=64, height=64, on_step=lambda info: True)

    assert growth(cycle) < 1024
