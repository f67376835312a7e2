"""The stubs fit what is there, by mypy's stubtest, and what people write: the examples and a page of uses pass mypy."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import llmdit
import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWLIST = ROOT / "tests/python/stubtest_allowlist.txt"
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


def mypy(cache: Path, *what: str | Path) -> str:
    environment = {**os.environ, "MYPYPATH": str(ROOT / "python")}
    options = ["--cache-dir", cache, "--config-file", ROOT / "tests/python/mypy.ini", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, *what]
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


def test_stubs_are_of_what_is_there(tmp_path):
    """Names, parameters, their kinds and defaults: both ways."""
    for stub in ("__init__.pyi", "vl/__init__.pyi"):  # without the sources beside them
        copy = tmp_path / "llmdit" / stub
        copy.parent.mkdir(exist_ok=True)
        copy.write_text((ROOT / "python/llmdit" / stub).read_text())
    options = ["--mypy-config-file", ROOT / "tests/python/mypy.ini", "--concise", "--ignore-unused-allowlist"]
    command = [sys.executable, "-m", "mypy.stubtest", "llmdit", *options, "--allowlist", ALLOWLIST]
    paths = {"MYPYPATH": str(tmp_path), "PYTHONPATH": str(Path(llmdit.__file__).parents[1])}
    environment = {**os.environ, **paths}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_python_of_the_oldest_kind(cache):
    """3.10, which pyproject.toml promises: its syntax, and what its standard library has."""
    for path in sorted((ROOT / "python/llmdit").rglob("*.py*")):
        ast.parse(path.read_text(), str(path), feature_version=(3, 10))
    assert mypy(cache, "--python-version", "3.10", "--ignore-missing-imports", "-p", "llmdit") == ""
