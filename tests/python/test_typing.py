"""The stubs fit what people write: the examples and a page of uses pass mypy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RIGHT = """
from typing import assert_type

import llmdit
import numpy as np
import torch
from llmdit import vl

with llmdit.ZImagePipeline.from_pretrained("x", dtype=torch.bfloat16, device="cpu") as pipe:
    assert_type(pipe, llmdit.ZImagePipeline)
result = pipe(["a", "b"], seed=1, output_type="np", progress=True, layer_weights={-2: 1.0}, generator=None)
assert_type(result, llmdit.GenerateResult)
assert_type(result.seeds, list[int])
assert_type(pipe.encode_prompt("a").token_counts, list[int])
pipe.text_encoder.hidden_states([1], 2)
pipe.text_encoder.hidden_states([1], "all")
pipe.transformer(torch.zeros(1), 0.5, [torch.zeros(1)])
assert_type(pipe.tokenizer.encode("a"), list[int])
assert_type(llmdit.read_image("a.png"), llmdit.Image)
assert_type(vl.blend(torch.zeros(1), torch.zeros(1), 0.5).warnings, list[str])
np.asarray(llmdit.read_image("a.png"))


def on_step(info: llmdit.StepInfo) -> bool:
    return info.sigma < 0.5


pipe("a", on_step=on_step, latents=torch.zeros(1), image="a.png")
try:
    pass
except llmdit.NotFound as error:
    assert_type(error.code, str)
"""
WRONG = {
    'pipe("a", widht=5)': "widht",
    'pipe("a", output_type="jpeg")': "output_type",
    'pipe("a", "b")': "positional",
    "llmdit.GenerateOptions(seed='x')": "seed",
    'llmdit.Tokenizer.from_pretrained("x").encode(5)': "encode",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("mypy")


def mypy(cache: Path, *paths: Path) -> str:
    environment = {**os.environ, "MYPYPATH": str(ROOT / "python")}
    options = ["--cache-dir", cache, "--config-file", ROOT / "tests/python/mypy.ini", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, *paths]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, cwd=cache)
    return done.stdout + done.stderr


def test_right_uses_examples_and_the_stubs_themselves(cache):
    page = cache / "right.py"
    page.write_text(RIGHT)
    assert mypy(cache, page, *sorted((ROOT / "examples/python").glob("*.py"))) == ""


def test_wrong_uses_are_found(cache):
    page = cache / "wrong.py"
    lines = ["import llmdit", 'pipe = llmdit.ZImagePipeline.from_pretrained("x")', *WRONG]
    page.write_text("\n".join(lines) + "\n")
    said = mypy(cache, page)
    for number, (line, word) in enumerate(WRONG.items(), 3):
        assert any(f"wrong.py:{number}:" in text and word in text for text in said.splitlines()), (line, said)
