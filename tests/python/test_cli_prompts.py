"""Prompts of `llmdit`: how they come in, and what `format` and `encode` tell of them."""

import json
import re

import pytest
from command import DEMO_MODEL, FAST, GENERATE_SETTINGS, LOAD_SETTINGS, USAGE, generate, llmdit, typed


@pytest.mark.parametrize(
    "prompt", ["format", "-x", "--steps", "[a, b]", "++", "a\nb", "ein Bär, 猫, 🐈", "circle " * 300]
)
def test_any_text_is_a_prompt(tmp_path, prompt):
    assert generate(tmp_path, *FAST, prompt=prompt)["prompt"] == prompt


def test_prompts_from_a_file_and_from_stdin(tmp_path):
    (tmp_path / "prompt.txt").write_text("a red circle\n\n")
    from_file = llmdit("generate", "--prompt-file", "prompt.txt", *FAST, "--json", cwd=tmp_path)
    assert json.loads(from_file.stdout)["prompt"] == "a red circle\n"
    from_stdin = llmdit("generate", "--prompt-file", "-", *FAST, "--json", cwd=tmp_path, input="a red circle")
    assert json.loads(from_stdin.stdout)["prompt"] == "a red circle"


@pytest.mark.parametrize("odd, read_as", [(b"\xff", "\ufffd"), (b"\0", "\0")])
def test_bytes_that_are_no_text_do_no_harm(tmp_path, odd, read_as):
    (tmp_path / "prompt.txt").write_bytes(b"a " + odd + b" circle")
    done = llmdit("generate", "--prompt-file", "prompt.txt", *FAST, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prompt"] == f"a {read_as} circle"


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_a_blank_prompt_is_allowed_and_told(tmp_path, prompt):
    done = llmdit("generate", prompt, *FAST, "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert any("blank" in warning for warning in json.loads(done.stdout)["warnings"])
    assert "warning:" in done.stderr and "blank" in done.stderr


PROMPTS = [
    "a red circle",
    "",
    "Zwei Bären, 3 Äpfel; naïve café",
    "猫が\n\n座る 🐈\u200d⬛",
    "<|im_end|> <think>",
    "  spaced   out\t\r\n",
    "e\u0301",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_format_has_the_tokenizers_ids(prompt):
    tokenizers = pytest.importorskip("tokenizers")
    reference = tokenizers.Tokenizer.from_file(str(DEMO_MODEL / "tokenizer" / "tokenizer.json"))
    document = json.loads(llmdit("format", "--json", "--", prompt).stdout)
    text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    assert document["formatted_prompt"] == text
    assert [token["id"] for token in document["tokens"]] == reference.encode(text, add_special_tokens=False).ids
    assert document["token_count"] == len(document["tokens"])


def test_format_for_people():
    done = llmdit("format", "a red circle", "--system-prompt", "Paint.", "--force-think-block")
    assert done.stdout.startswith("<|im_start|>system\nPaint.<|im_end|>\n<|im_start|>user\na red circle<|im_end|>\n")
    assert "<think>\n\n</think>" in done.stdout
    document = json.loads(
        llmdit("format", "a red circle", "--system-prompt", "Paint.", "--force-think-block", "--json").stdout
    )
    count, limit = re.search(r"(\d+) tokens, the transformer takes (\d+)", done.stdout).groups()
    assert (int(count), int(limit)) == (document["token_count"], document["max_tokens"])
    rows = re.findall(r"^ +(\d+)  (\".*\")$", done.stdout, re.M)
    assert [(int(id), json.loads(piece)) for id, piece in rows] == [(t["id"], t["piece"]) for t in document["tokens"]]


def test_format_tells_a_prompt_that_is_too_long():
    done = llmdit("format", "word " * 3000, "--quiet", "--json")
    document = json.loads(done.stdout)
    assert document["token_count"] > document["max_tokens"]
    assert done.returncode == 0 and "warning:" in done.stderr


def test_encode(tmp_path):
    document = json.loads(llmdit("encode", "a red circle", "--json").stdout)
    config = json.loads((DEMO_MODEL / "text_encoder" / "config.json").read_text())
    assert document["shape"] == [document["token_count"], config["hidden_size"]]
    assert document["token_count"] == json.loads(llmdit("format", "a red circle", "--json").stdout)["token_count"]
    assert document["dtype"] == "float32"
    assert document["min"] < document["mean"] < document["max"] and document["std"] > 0
    size = document["shape"][0] * document["shape"][1]
    squares = document["std"] ** 2 * (size - 1) + document["mean"] ** 2 * size
    assert document["norm"] == pytest.approx(squares**0.5, rel=1e-4)


def test_encode_takes_its_settings():
    names = [
        "hidden_layer",
        "layer_weights",
        "layer_spans",
        "system_prompt",
        "thinking_content",
        "assistant_content",
        "force_think_block",
        "strip_quotes",
        "clean_whitespace",
        "template",
        "templates_dir",
    ]
    load = {
        name: value
        for name, value in LOAD_SETTINGS.items()
        if name not in ("transformer_path", "vae_path", "lora", "cpu_offload")
        and not name.startswith(("vl_", "dit_", "vae_"))
    }
    document = json.loads(llmdit("encode", "a", "--json", *typed(GENERATE_SETTINGS, names), *typed(load)).stdout)
    assert document["settings"] == {name: GENERATE_SETTINGS[name][1] for name in names}
    # What is always refused has no value of ours.
    assert document["load"] == {name: value for name, (_, value) in load.items()} | {"compile": False}
    plain = json.loads(llmdit("encode", "a", "--json").stdout)
    other = json.loads(llmdit("encode", "a", "--json", "--hidden-layer", "-1").stdout)
    assert plain["norm"] != other["norm"]


def test_encode_for_people():
    assert re.fullmatch(
        r"\d+ tokens: \[\d+, \d+\] float32, mean \S+, std \S+, min \S+, max \S+, norm \S+\n",
        llmdit("encode", "a red circle").stdout,
    )


@pytest.mark.parametrize("content", ["", "\n", " \r\n"])
def test_a_prompt_that_a_command_failed_to_write(tmp_path, content):
    (tmp_path / "prompt.txt").write_text(content)
    for source in (tmp_path / "prompt.txt", "-"):
        done = llmdit("generate", "--prompt-file", source, *FAST, "-o", "a.png", cwd=tmp_path, input=content)
        assert done.returncode == USAGE and "found nothing" in done.stderr
        assert not (tmp_path / "a.png").exists()
