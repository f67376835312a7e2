"""`llmdit generate --dry-run` finds what a run would find before its first step, and says what a run would say."""

import json

import pytest
import torch
from command import (
    DEMO_MODEL,
    FAST,
    NOT_FOUND,
    STYLE_LORA,
    UNSUPPORTED,
    USAGE,
    copy_of_demo_model,
    files_in,
    llmdit,
)
from safetensors.torch import save_file


def dry(tmp_path, *arguments, **keywords):
    return llmdit("generate", "--dry-run", "--json", *arguments, cwd=tmp_path, **keywords)


@pytest.fixture
def other_lora(tmp_path):
    save_file(
        {"unet.lora_A.weight": torch.zeros(4, 8), "unet.lora_B.weight": torch.zeros(8, 4)},
        tmp_path / "other.safetensors",
    )
    (tmp_path / "broken.safetensors").write_bytes(b"\x07" + bytes(20))


REFUSED = [
    (["--lora", "none.safetensors"], NOT_FOUND, "none.safetensors"),
    (["--lora", "broken.safetensors"], UNSUPPORTED, "broken.safetensors"),
    (["--lora", "other.safetensors"], UNSUPPORTED, "other.safetensors"),
    (["--hidden-layer", "99"], USAGE, "hidden_layer"),
    (["--hidden-layer", "-99"], USAGE, "hidden_layer"),
    (["--layer-weights", "-2:0.5,99:0.5"], USAGE, "hidden_layer"),
    (["--layer-spans", "0:900=-1:1"], USAGE, "layer_spans"),
    (["--sigmas", "1,0.5", "--steps", "4"], USAGE, "sigmas"),
    (["--sigmas", "0.5,1"], USAGE, "sigmas"),
    (["--max-text-tokens", "90000"], USAGE, "max_text_tokens"),
    (["--long-prompt-mode", "segments", "--max-text-tokens", "4"], USAGE, "long_prompt_mode"),
    (["--width", "100"], USAGE, "width"),
    (["--width", "65536"], USAGE, "width"),
    (["--vae-path", "nowhere"], NOT_FOUND, "nowhere"),
    (["--vae-path", str(DEMO_MODEL / "transformer")], UNSUPPORTED, "vae"),
    (["--template", "charcaol"], NOT_FOUND, "charcoal"),
    (["--attention-backend", "sage"], USAGE, "attention_backend"),
    (["--device", "cuda:7"], USAGE, "device"),
    (["-o", "/proc/a.png"], NOT_FOUND, "/proc/a.png"),
    (["-o", "x" * 300 + ".png"], NOT_FOUND, "xxx.png"),
    (["-o", "a.png", "--preview", "./a.png"], USAGE, "--preview"),
    (["--seeds", "1,2", "-o", "same.{prompt}.png"], USAGE, "the name of several pictures"),
    (["--vl-image", str(DEMO_MODEL / "sheet.png"), "--vl-hidden-layer", "99"], USAGE, "hidden_layer"),
    (["--embeddings", "none.safetensors"], NOT_FOUND, "none.safetensors"),
]


@pytest.mark.parametrize("arguments, code, told", REFUSED, ids=[" ".join(case[0])[:40] for case in REFUSED])
def test_what_a_run_refuses_a_dry_run_refuses_as_well(tmp_path, other_lora, arguments, code, told):
    prompt = [] if "--embeddings" in arguments else ["a long tale of a red circle. " * 20]
    before = files_in(tmp_path)
    planned = dry(tmp_path, *prompt, *arguments)
    assert planned.returncode == code and told in planned.stderr, planned.stderr
    assert planned.stdout == "" and files_in(tmp_path) == before
    run = llmdit("generate", *prompt, *arguments, cwd=tmp_path)
    last = [done.stderr.splitlines()[-1] for done in (planned, run)]
    assert run.returncode == code and last[0] == last[1], run.stderr


REMARKED = [
    ["", "--strength", "0.5", "--mask-feather", "8", "--negative-prompt", "x", "--vl-text", "y"],
    ["a", "--guidance-scale", "0", "--cfg-normalization", "0.5", "--templates-dir", "."],
    ["a", "--vae-tiling", "off", "--tile-size", "64"],
    ["word " * 1200],
    ["word " * 1200, "--long-prompt-mode", "truncate", "--guidance-scale", "1", "--negative-prompt", "bad " * 1200],
    ["word " * 1200, "--long-prompt-mode", "extrapolate", "--max-text-tokens", "30"],
    ["A red circle. " * 60, "--long-prompt-mode", "segments", "--max-text-tokens", "64"],
    ["a", "--hidden-layer", "-3", "--layer-weights", "-2:1", "--cache-size", "3"],
    ["a", "--lora", f"{STYLE_LORA}:0"],
    ["a", "--image", str(DEMO_MODEL / "sheet.png"), "--width", "64", "--height", "160"],
    ["a", "--template", "expand-to-caption"],
]


@pytest.mark.parametrize("arguments", REMARKED, ids=[" ".join(case)[:50] for case in REMARKED])
def test_what_a_run_remarks_a_dry_run_remarks_as_well(tmp_path, arguments):
    planned = dry(tmp_path, *FAST, *arguments)
    run = llmdit("generate", "--json", *FAST, *arguments, cwd=tmp_path)
    assert planned.returncode == run.returncode == 0, planned.stderr + run.stderr
    foreseen, met = json.loads(planned.stdout)["warnings"], json.loads(run.stdout)["warnings"]
    assert foreseen == met and met
    for warning in met:
        assert f"warning: {warning}" in planned.stderr


def test_every_prompt_of_a_batch_is_looked_at(tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\n" + "word " * 1200 + "\n" + "more " * 1300 + "\n")
    document = json.loads(dry(tmp_path, "--prompts", "prompts.txt", "--seeds", "1-3").stdout)
    counts = [run["token_count"] for run in document["runs"]]
    told = [
        f"the prompt has {count} tokens" for count in (counts[3], counts[6])
    ]  # each once, in the order of the prompts
    assert [warning[: len(start)] for warning, start in zip(document["warnings"], told, strict=True)] == told
    assert document["memory"]["token_counts"] == [max(run["token_count"] for run in document["runs"])]


def test_what_would_be_replaced_and_what_adapters_change_is_told(tmp_path):
    (tmp_path / "2.png").touch()
    arguments = ["a", "--seeds", "1,2", "-o", "{seed}.png", "--lora", f"{STYLE_LORA}:0.5"]
    document = json.loads(dry(tmp_path, *arguments).stdout)
    assert [run["replaces"] for run in document["runs"]] == [[], ["2.png"]]
    (lora,) = document["loras"]
    assert lora["lora"] == f"{STYLE_LORA}:0.5" and "modules, rank" in lora["changes"]
    text = llmdit("generate", "--dry-run", *arguments, cwd=tmp_path).stdout
    assert "  2.png (replaces the file that is there)\n" in text and "modules, rank" in text
    assert files_in(tmp_path) == ["2.png"]


def test_a_dry_run_reads_no_weight(tmp_path):
    """A model whose weights would turn any picture into NaN is found by the run alone; a plan takes its header."""
    model = copy_of_demo_model(tmp_path / "model")
    weights = model / "transformer" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start:] = b"\xff" * (len(data) - start)
    weights.write_bytes(data)
    assert dry(tmp_path, "a", "--model-path", model, "--quantization", "int8").returncode == 0
    assert llmdit("generate", "a", *FAST, "--model-path", model, cwd=tmp_path).returncode != 0
