"""A name that is misspelt, wherever it stands, is refused with the one that is meant."""

import json
import re
from typing import Any

import llmdit
import numpy as np
import pytest
from command import DEMO_MODEL, GENERATE_SETTINGS, NOT_FOUND, USAGE
from command import llmdit as run
from llmdit import Config, OptionKind, RuntimeConfig

pytestmark = pytest.mark.usefixtures("no_settings_of_the_machine")

SETTINGS = llmdit.settings()
CHOICES = [setting for setting in SETTINGS if setting.field.choices]


def slip(word: str) -> str:
    """A letter that is typed twice."""
    middle = len(word) // 2
    return word[: middle + 1] + word[middle:]


def in_a_file(setting: Any, key: str, value: Any) -> str:
    section, _, _ = setting.key.rpartition(".")
    table = "server" if section == "server" else ".".join(filter(None, ["default", section]))
    return f"[{table}]\n{key} = {json.dumps(value)}\n"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_keys_of_files(setting):
    key = setting.key.rpartition(".")[2]
    with pytest.raises(llmdit.InvalidArgument, match=rf"did you mean {key}\?"):
        Config.parse(in_a_file(setting, slip(key), 1))


def test_variables_all_at_once(monkeypatch):
    for setting in SETTINGS:
        monkeypatch.setenv("LLMDIT_" + slip(setting.environment.removeprefix("LLMDIT_")), "1")
    monkeypatch.setenv("LLMDIT_WIDTH", "wide")
    monkeypatch.setenv("LLMDIT_HEIGHT", "high")
    with pytest.raises(llmdit.InvalidArgument) as refused:
        llmdit.environment_config()
    lines = str(refused.value).splitlines()
    assert len(lines) == len(SETTINGS) + 2
    for setting in SETTINGS:
        assert any(line.endswith(f"did you mean {setting.environment}?") for line in lines), setting.environment
    assert any("LLMDIT_WIDTH: expected a whole number, got 'wide'" in line for line in lines)
    assert any("LLMDIT_HEIGHT: expected a whole number, got 'high'" in line for line in lines)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_keywords_of_settings(setting):
    with pytest.raises(TypeError, match=rf"did you mean '{setting.field.name}'\?"):
        RuntimeConfig(**{slip(setting.field.name): 1})


@pytest.mark.parametrize("name", GENERATE_SETTINGS)
def test_keywords_of_calls(name, demo):
    with pytest.raises(TypeError, match=rf"did you mean '{name}'\?"):
        demo("a", **{slip(name): 1})


@pytest.mark.parametrize(
    "name, meant",
    {
        "steps": "num_inference_steps",
        "num_steps": "num_inference_steps",
        "cfg_scale": "guidance_scale",
        "enable_thinking": "force_think_block",
        "default_template": "template",
        "tile_size": "vae_tile_size",
        "tile_overlap": "vae_tile_overlap",
        "layer_span": "layer_spans",
    }.items(),
)
def test_names_that_others_have(name, meant, demo):
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{name}'; did you mean '{meant}'\?"):
        demo("a", **{name: 1})
    if name != "enable_thinking":  # which is a rewriter's
        with pytest.raises(TypeError, match=rf"did you mean '{meant}'\?"):
            RuntimeConfig(**{name: 1})


@pytest.mark.parametrize(
    "name, meant", {"torch_dtype": "dtype", "load_in_8bit": "quantization", "embedding_cache": "enable_cache"}.items()
)
def test_names_that_others_have_for_loading(name, meant):
    with pytest.raises(TypeError, match=rf"did you mean '{meant}'\?"):
        llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, **{name: "x"})


@pytest.fixture(scope="module")
def demo():
    return llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL)


@pytest.mark.parametrize("setting", CHOICES, ids=lambda setting: setting.key)
def test_values_of_a_few(setting, monkeypatch):
    key = setting.key.rpartition(".")[2]
    for choice in setting.field.choices:
        for wrong in (slip(choice), choice.upper(), choice.title().replace("_", "-")):
            meant = rf"expected one of .*, got '{wrong}'; did you mean {choice}\?"
            with pytest.raises(llmdit.InvalidArgument, match=meant):
                Config.parse(in_a_file(setting, key, wrong))
            with pytest.raises(llmdit.InvalidArgument, match=meant):
                RuntimeConfig(Config(), **{setting.key: wrong})
            with monkeypatch.context() as patched:
                patched.setenv(setting.environment, wrong)
                with pytest.raises(llmdit.InvalidArgument, match=meant):
                    llmdit.environment_config()


WRONG_CALLS = {
    "attention": (lambda: llmdit.setup_attention_backend("sdpaa"), "did you mean sdpa?"),
    "blend mode": (
        lambda: llmdit.vl.blend(np.ones((4, 8), np.float32), np.ones((4, 8), np.float32), 0.5, mode="Linear"),
        "did you mean linear?",
    ),
    "curve": (lambda: llmdit.vl.create_graduated_alpha(8, 0.1, 0.9, "ease_inn"), "did you mean ease_in?"),
    "long prompts": (
        lambda: llmdit.compress_embeddings(np.ones((9, 8), np.float32), 4, "attention-pool"),
        "did you mean attention_pool?",
    ),
    "role": (lambda: llmdit.Message(role="usr", content="a"), "did you mean 'user'?"),
    "picture": (lambda: llmdit.encode_image(np.zeros((4, 4, 3), np.uint8), "pgn"), "did you mean png?"),
    "output": (
        lambda: llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL)("a", output_type="pill"),
        "did you mean 'pil'?",
    ),
    "device": (lambda: llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, device="CPU"), "did you mean cpu?"),
    "device of a part": (
        lambda: llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, vae_device="ccpu"),
        "[vae_device] expected auto, cpu",
    ),
    "dtype": (lambda: llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, dtype="bfloat-16"), "did you mean bfloat16?"),
    "template": (lambda: llmdit.format_prompt("a", template="charcaol"), "did you mean 'charcoal'?"),
    "profile": (lambda: llmdit.load_config(profile="low_vrm"), "did you mean low_vram?"),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_values_in_python(name):
    call, meant = WRONG_CALLS[name]
    with pytest.raises((llmdit.Error, ValueError), match=re.escape(meant)):
        call()


WRONG_COMMANDS = {
    "flag": (["generate", "a", "--widht", "3"], "did you mean --width?"),
    "value": (
        ["generate", "a", "--quantization", "Int8"],
        "--quantization: expected one of none, int8, int4, got 'Int8'",
    ),
    "near value": (["generate", "a", "--vl-blend-mode", "adian"], "did you mean adain?"),
    "progress": (
        ["generate", "a", "--progress", "jsn"],
        "expected one of auto, json, none, got 'jsn', did you mean json?",
    ),
    "profile": (["generate", "a", "--profile", "cpuu"], "did you mean cpu?"),
    "template": (["generate", "a", "--template", "charcaol"], "did you mean 'charcoal'?"),
    "category": (["templates", "--category", "rewritr"], "there is no category 'rewritr', did you mean rewriter?"),
    "rewriter": (["rewrite", "a", "--rewriter", "expand-to-captoin"], "did you mean 'expand-to-caption'?"),
    "layout": (["convert", "x", "y", "--quantization", "Int8"], "did you mean int8?"),
    "no file": (["generate", "a", "--config", ""], "--config: expected a value, got an empty text"),
    "no profile": (["generate", "a", "--profile="], "--profile: expected a value, got an empty text"),
}


@pytest.mark.parametrize("name", WRONG_COMMANDS)
def test_values_of_commands(name, tmp_path):
    arguments, meant = WRONG_COMMANDS[name]
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode in (USAGE, NOT_FOUND) and meant in done.stderr, done.stderr
    assert done.stdout == ""


def test_what_has_no_value():
    for text, message in {
        "[default]\ngeneration = 5": "2:1: [default] generation = 5: is a section and has no value of its own",
        '[default]\nextends = ""': "2:1: [default] extends: expected the name of a profile, got an empty text",
        "default = 5": "1:1: default: settings stand in a profile",
    }.items():
        with pytest.raises(llmdit.InvalidArgument, match=re.escape(message)):
            Config.parse(text)
    for call in (lambda: llmdit.load_config(profile=""), lambda: Config.parse("", "")):
        with pytest.raises(llmdit.InvalidArgument, match="expected the name of a profile, got an empty text"):
            call()
    with pytest.raises(llmdit.InvalidArgument, match="expected the path of a file"):
        llmdit.load_config("")


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.field.kind is OptionKind.boolean], ids=lambda s: s.key)
def test_truths_of_the_environment(setting, monkeypatch):
    for text, value in {
        "TRUE": True,
        "Yes": True,
        "On": True,
        "1": True,
        "False": False,
        "NO": False,
        "off": False,
    }.items():
        monkeypatch.setenv(setting.environment, text)
        assert llmdit.environment_config()[setting.key] is value
    monkeypatch.setenv(setting.environment, "maybe")
    with pytest.raises(
        llmdit.InvalidArgument, match=r"expected true or false \(also on, off, yes, no, 1, 0\), got 'maybe'"
    ):
        llmdit.environment_config()


def test_an_error_tells_what_set_the_option(tmp_path, monkeypatch):
    (tmp_path / "c.toml").write_text('[default]\npipeline.dit_device = "cuda:77"\n')
    given = {
        "c.toml:2:10 (profile default)": (["--config", "c.toml"], {}),
        "environment LLMDIT_DIT_DEVICE": ([], {"LLMDIT_DIT_DEVICE": "cuda:77"}),
        "flag --dit-device": (["--dit-device", "cuda:77"], {}),
    }
    for origin, (arguments, variables) in given.items():
        done = run("generate", "a", *arguments, cwd=tmp_path, env=variables)
        assert done.returncode == USAGE
        assert "[dit_device] expected auto, cpu" in done.stderr and f"; set by {origin}\n" in done.stderr, done.stderr
    done = run("encode", "a", "--profile", "low_vram", "--text-encoder-device", "cuda:77", cwd=tmp_path)
    assert "[text_encoder_device]" in done.stderr and "; set by flag --text-encoder-device\n" in done.stderr
    monkeypatch.setenv("LLMDIT_VAE_DEVICE", "cuda:77")
    with pytest.raises(llmdit.InvalidArgument, match=r"\[vae_device\] .*; set by environment LLMDIT_VAE_DEVICE$"):
        llmdit.ZImagePipeline.from_config()
