"""Every setting of `llmdit generate` arrives, by itself and with the others."""

import re

import pytest
from command import (
    FAST,
    GENERATE_SETTINGS,
    LOAD_SETTINGS,
    REFUSED_SETTINGS,
    USAGE,
    generate,
    llmdit,
    pixels,
    typed,
)
from PIL import Image


def test_the_table_of_this_test_is_complete(tmp_path):
    document = generate(tmp_path, *FAST)
    assert document["settings"].keys() == GENERATE_SETTINGS.keys()
    assert document["load"].keys() == LOAD_SETTINGS.keys() | REFUSED_SETTINGS


def test_no_value_of_this_test_is_a_default(tmp_path):
    document = generate(tmp_path)
    for name, (_, value) in GENERATE_SETTINGS.items():
        assert document["settings"][name] != value, name


def test_every_setting_arrives(tmp_path):
    document = generate(tmp_path, *typed(GENERATE_SETTINGS), *typed(LOAD_SETTINGS))
    assert document["settings"] == {name: value for name, (_, value) in GENERATE_SETTINGS.items()}
    given = {name: value for name, value in document["load"].items() if name not in REFUSED_SETTINGS}
    assert given == {name: value for name, (_, value) in LOAD_SETTINGS.items()}


@pytest.mark.parametrize("name", GENERATE_SETTINGS)
def test_every_setting_arrives_alone(tmp_path, name):
    fast = [] if name == "sigmas" else FAST  # own noise levels set the number of steps
    document = generate(tmp_path, *fast, *typed(GENERATE_SETTINGS, [name]))  # of two --steps the last one counts
    assert document["settings"][name] == GENERATE_SETTINGS[name][1]


def test_sizes_steps_and_numbers_are_what_was_asked_for(tmp_path):
    document = generate(
        tmp_path, *typed(GENERATE_SETTINGS, ["width", "height", "num_inference_steps", "num_images_per_prompt"])
    )
    assert [(picture["width"], picture["height"]) for picture in document["pictures"]] == [(96, 160)] * 2
    assert len(document["sigmas"]) == 3 + 1
    assert len(document["timings"]["steps"]) == 3
    with Image.open(document["pictures"][0]["path"]) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (96, 160))


def test_own_noise_levels_are_shifted(tmp_path):
    assert generate(tmp_path, "--steps", 2)["settings"]["shift"] == 3  # that of the demo model
    document = generate(tmp_path, "--steps", 2, "--sigmas", "1,0.5", "--shift", "1")
    assert document["sigmas"] == [1, 0.5, 0]
    document = generate(tmp_path, "--steps", 2, "--sigmas", "1,0.5", "--shift", "3")
    assert document["sigmas"] == [1, 0.75, 0]


def test_chat_settings_reach_the_text(tmp_path):
    names = ["system_prompt", "thinking_content", "assistant_content", "strip_quotes", "clean_whitespace"]
    document = generate(tmp_path, *FAST, *typed(GENERATE_SETTINGS, names), prompt='  a "red"   circle  ')
    assert document["formatted_prompt"] == (
        "<|im_start|>system\nPaint in oil.<|im_end|>\n<|im_start|>user\na red circle<|im_end|>\n"
        "<|im_start|>assistant\n<think>\nA circle is round.\n</think>\n\nHere it is:<|im_end|>"
    )


@pytest.mark.parametrize(
    "name",
    [
        "num_inference_steps",
        "seed",
        "guidance_scale",
        "shift",
        "hidden_layer",
        "system_prompt",
        "thinking_content",
        "assistant_content",
        "force_think_block",
        "template",
    ],
)
def test_every_setting_changes_the_picture(tmp_path, plain_pixels, name):
    changed = generate(tmp_path, "--seed", 7, *typed(GENERATE_SETTINGS, [name]))
    assert pixels(changed) != plain_pixels


@pytest.mark.parametrize("name", ["negative_prompt", "cfg_normalization", "cfg_truncation"])
def test_settings_of_guidance_change_a_guided_picture(tmp_path, name):
    guided = ["--seed", 7, "--guidance-scale", 2]
    plain = pixels(generate(tmp_path, *guided))
    assert pixels(generate(tmp_path, *guided, *typed(GENERATE_SETTINGS, [name]))) != plain


# Flags that scripts of others already use.
OLD_FLAGS = [
    "--config",
    "--profile",
    "--model-path",
    "--text-encoder-device",
    "--dit-device",
    "--vae-device",
    "--torch-dtype",
    "--width",
    "--height",
    "--steps",
    "--guidance-scale",
    "--cfg-normalization",
    "--cfg-truncation",
    "--seed",
    "--negative-prompt",
    "--system-prompt",
    "--thinking-content",
    "--assistant-content",
    "--shift",
    "--hidden-layer",
    "--output",
    "--force-think-block",
    "--strip-quotes",
]


@pytest.mark.parametrize("old", OLD_FLAGS)
def test_old_flags_are_in_the_help(old):
    words = re.findall(r"--(?:\[no-\])?([a-z-]+)", llmdit("generate", "--help-all").stdout)
    assert old.removeprefix("--") in words


def test_the_last_of_a_repeated_flag_counts(tmp_path):
    document = generate(tmp_path, "--steps", 1, "--steps", 2, "--strip-quotes", "--no-strip-quotes")
    assert document["settings"]["num_inference_steps"] == 2
    assert document["settings"]["strip_quotes"] is False


def test_an_empty_value_is_a_value(tmp_path):
    assert generate(tmp_path, *FAST, "--negative-prompt=", "--system-prompt", "")["settings"]["negative_prompt"] == ""
    refused = llmdit("generate", "a", "--seed=")
    assert refused.returncode == USAGE and "--seed" in refused.stderr
