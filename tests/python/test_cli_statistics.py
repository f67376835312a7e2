"""`llmdit encode --statistics`."""

import json

import llmdit as python_module
import numpy as np
import pytest
from command import DEMO_MODEL, NOT_FOUND, USAGE, files_in, llmdit
from llmdit import vl
from llmdit.vl import ReferenceStatistics

PROMPTS = ["a red circle", "a blue square on a green ground", "zwei B\u00e4ren"]


def expected(prompts=PROMPTS, **options):
    pipe = python_module.ZImagePipeline.from_pretrained(DEMO_MODEL)
    return ReferenceStatistics.compute(pipe.encode_prompt(prompts, **options).embeddings)


def assert_close(got, want):
    assert (got.num_prompts, got.num_tokens, got.hidden_dim) == (want.num_prompts, want.num_tokens, want.hidden_dim)
    np.testing.assert_allclose(got.per_dim_mean, want.per_dim_mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got.per_dim_std, want.per_dim_std, rtol=1e-4, atol=1e-4)
    assert got.global_std == pytest.approx(want.global_std, rel=1e-5)


@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_prompts_from_a_file(tmp_path, suffix):
    (tmp_path / "prompts.txt").write_text("\n" + "\r\n".join(PROMPTS) + "\n \n", encoding="utf-8")
    path = tmp_path / "made" / f"text.{suffix}"
    done = llmdit("encode", "--statistics", path, "--prompts-file", "prompts.txt", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    got, document = ReferenceStatistics.load(path), json.loads(done.stdout)
    assert_close(got, expected())
    assert got.hidden_layer == -2 and got.model == str(DEMO_MODEL)
    assert document["output"] == str(path) and document["num_tokens"] == got.num_tokens
    widest = document["widest_columns"]
    assert widest[0]["std"] == pytest.approx(got.per_dim_std.max().item(), rel=1e-6)
    assert widest[0]["dim"] == got.per_dim_std.argmax().item()
    assert [column["std"] for column in widest] == sorted((column["std"] for column in widest), reverse=True)


def test_stdin_and_settings(tmp_path):
    arguments = [
        "--hidden-layer",
        "-1",
        "--system-prompt",
        "Paint.",
        "--text-encoder-path",
        DEMO_MODEL / "text_encoder",
    ]
    done = llmdit(
        *("encode", "--statistics", "a.npz", "--prompts-file", "-", *arguments), cwd=tmp_path, input="\n".join(PROMPTS)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a.npz: 3 prompts, ")
    got = ReferenceStatistics.load(tmp_path / "a.npz")
    assert_close(got, expected(hidden_layer=-1, system_prompt="Paint."))
    assert got.hidden_layer == -1 and got.model == str(DEMO_MODEL / "text_encoder")


def test_a_mix_of_layers_is_no_single_layer(tmp_path):
    mix = ["--layer-weights", "-2:0.7,-3:0.3"]
    done = llmdit(
        "encode", "--statistics", "a.npz", "--prompts-file", "-", *mix, cwd=tmp_path, input="\n".join(PROMPTS)
    )
    assert done.returncode == 0, done.stderr
    got = ReferenceStatistics.load(tmp_path / "a.npz")
    assert got.hidden_layer is None
    assert_close(got, expected(layer_weights="-2:0.7,-3:0.3"))


def test_prompts_of_our_own(tmp_path):
    (tmp_path / "a.npz").write_text("old")
    done = llmdit("encode", "--statistics", "a.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{len(vl.statistics_prompts())} prompts of our own" in done.stderr
    assert "replaced the file a.npz" in done.stderr
    assert_close(ReferenceStatistics.load(tmp_path / "a.npz"), expected(vl.statistics_prompts()))


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["--statistics", "a.npz", "a cat"], USAGE, "--prompts-file"),
        (["--statistics", "a.npz", "--layer-statistics"], USAGE, "a single prompt"),
        (["--prompts-file", "prompts.txt", "a cat"], USAGE, "goes with --statistics"),
        (["--statistics", "a.txt"], USAGE, ".npz or .json"),
        (["--statistics", ""], USAGE, "empty text"),
        (["--statistics", "a.npz", "--prompts-file", ""], USAGE, "empty text"),
        (["--statistics", "prompts.json", "--prompts-file", "prompts.json"], USAGE, "file of the prompts"),
        (["--statistics", "."], USAGE, ".npz or .json"),
        (["--statistics", "folder.npz"], USAGE, "is a folder"),
        (["--statistics", "/proc/none/a.npz"], NOT_FOUND, "cannot write"),
        (["--statistics", "a.npz", "--prompts-file", "missing.txt"], NOT_FOUND, "missing.txt"),
        (["--statistics", "a.npz", "--prompts-file", "blank.txt"], USAGE, "no prompts"),
    ],
)
def test_refusals(tmp_path, arguments, code, message):
    (tmp_path / "prompts.txt").write_text("a\n")
    (tmp_path / "prompts.json").write_text("a\n")
    (tmp_path / "blank.txt").write_text("\n \n")
    (tmp_path / "folder.npz").mkdir()
    done = llmdit("encode", *arguments, cwd=tmp_path)
    assert done.returncode == code and message in done.stderr
    assert files_in(tmp_path) == ["blank.txt", "prompts.json", "prompts.txt"]
