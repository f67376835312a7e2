"""The bar of the steps, with tqdm and without."""

import sys

import llmdit
import pytest
import torch

QUICK = {"num_inference_steps": 3, "width": 32, "height": 32, "seed": 1}


def test_a_bar_counts_the_steps(pipe, capsys):
    want = pipe("a cat", **QUICK)
    seen = []
    result = pipe("a cat", progress=True, on_step=lambda info: seen.append(info.step), **QUICK)
    assert torch.equal(result.latents, want.latents) and seen == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err
    assert "0/3" not in capsys.readouterr().err


def test_a_picture_to_start_from_has_fewer_steps(pipe, capsys):
    pipe.img2img("a cat", torch.zeros(3, 32, 32), strength=0.4, num_inference_steps=5, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_the_bar_ends_with_the_run(pipe):
    def on_step(info):
        raise ValueError("mine")

    for stop, kind in ((on_step, ValueError), (lambda info: True, llmdit.Cancelled)):
        with pytest.raises(kind):
            pipe("a cat", progress=True, on_step=stop, **QUICK)


def test_without_tqdm_it_says_so(pipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        pipe("a cat", progress=True, **QUICK)
    assert pipe("a cat", **QUICK).images
