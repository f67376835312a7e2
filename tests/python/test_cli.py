"""The `llmdit` command as its users meet it: arguments in; stdout, stderr, files and exit code out."""

import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import llmdit as python_module
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
LLMDIT = Path(os.environ.get("LLMDIT_COMMAND", ROOT / "build" / "bin" / "llmdit"))
DEMO_MODEL = ROOT / "examples" / "demo_model"

USAGE, NOT_FOUND, OUT_OF_MEMORY, UNSUPPORTED, INTERRUPTED = 2, 3, 4, 5, 130
FAST = ["--steps", "1"]  # for tests that do not look at the picture


def environment(**extra):
    """This process's environment without what would change the command."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("LLMDIT_") and k not in ("NO_COLOR", "TERM")}
    # One thread: libtorch's spin while they wait for each other, for seconds where others want the processors too.
    return {**ours, "TERM": "xterm", "OMP_NUM_THREADS": "1", "LLMDIT_DEMO_MODEL": str(DEMO_MODEL), **extra}


def llmdit(*arguments, cwd=None, env=None, text=True, **keywords):
    assert LLMDIT.exists(), f"{LLMDIT} is missing: build it first"
    return subprocess.run(
        [LLMDIT, *map(str, arguments)],
        cwd=cwd,
        env=environment(**(env or {})),
        text=text,
        timeout=300,
        stdout=keywords.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        **keywords,
    )


def generate(tmp_path, *arguments, prompt="a red circle on a white background"):
    """The document of a run with --json that has to succeed."""
    done = llmdit("generate", "-o", tmp_path / "picture.png", "--json", *arguments, "--", prompt, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def inspected(path):
    """What `llmdit inspect` says of one file."""
    return json.loads(llmdit("inspect", path, "--json").stdout)["files"][0]


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


# --- settings ---------------------------------------------------------------------------------------------------------

# One value that is not the default for every field of the option tables, as it is typed and as JSON has it.
GENERATE_SETTINGS = {
    "width": ("96", 96),
    "height": ("160", 160),
    "num_inference_steps": ("3", 3),
    "seed": ("18446744073709551615", 18446744073709551615),
    "num_images_per_prompt": ("2", 2),
    "guidance_scale": ("1.5", 1.5),
    "negative_prompt": ("a blue square", "a blue square"),
    "cfg_normalization": ("0.75", 0.75),
    "cfg_truncation": ("0.5", 0.5),
    "shift": ("2.5", 2.5),
    "sigmas": ("1,0.5,0.25", [1, 0.5, 0.25]),
    "hidden_layer": ("-3", -3),
    "system_prompt": ("Paint in oil.", "Paint in oil."),
    "thinking_content": ("A circle is round.", "A circle is round."),
    "assistant_content": ("Here it is:", "Here it is:"),
    "force_think_block": (None, True),
    "strip_quotes": (None, True),
    "clean_whitespace": (None, True),
    "strength": ("0.25", 0.25),
    "outpaint": ("16,0,32,0", [16, 0, 32, 0]),
    "mask_feather": ("8", 8),
    "mask_composite": (None, True),
    "vae_tiling": ("on", "on"),
    "vae_tile_size": ("128", 128),
    "vae_tile_overlap": ("32", 32),
}
STYLE_LORA = DEMO_MODEL / "loras/neon.safetensors"
LOAD_SETTINGS = {
    "dtype": ("float32", "float32"),
    "device": ("cpu", "cpu"),
    "text_encoder_device": ("cpu", "cpu"),
    "dit_device": ("cpu", "cpu"),
    "vae_device": ("cpu", "cpu"),
    "transformer_path": (str(DEMO_MODEL / "transformer"), str(DEMO_MODEL / "transformer")),
    "text_encoder_path": (str(DEMO_MODEL / "text_encoder"), str(DEMO_MODEL / "text_encoder")),
    "vae_path": (str(DEMO_MODEL / "vae"), str(DEMO_MODEL / "vae")),
    "tokenizer_path": (str(DEMO_MODEL / "tokenizer"), str(DEMO_MODEL / "tokenizer")),
    "lora": (f"{STYLE_LORA}:0.5", [f"{STYLE_LORA}:0.5"]),
}


def flag(name):
    return "--" + name.replace("_", "-")


def typed(settings, names=None):
    arguments = []
    for name, (text, _) in settings.items():
        if names is None or name in names:
            arguments += [flag(name)] if text is None else [flag(name), text]
    return arguments


def test_the_table_of_this_test_is_complete(tmp_path):
    document = generate(tmp_path, *FAST)
    assert document["settings"].keys() == GENERATE_SETTINGS.keys()
    assert document["load"].keys() == LOAD_SETTINGS.keys()


def test_no_value_of_this_test_is_a_default(tmp_path):
    document = generate(tmp_path)
    for name, (_, value) in GENERATE_SETTINGS.items():
        assert document["settings"][name] != value, name


def test_every_setting_arrives(tmp_path):
    document = generate(tmp_path, *typed(GENERATE_SETTINGS), *typed(LOAD_SETTINGS))
    assert document["settings"] == {name: value for name, (_, value) in GENERATE_SETTINGS.items()}
    assert document["load"] == {name: value for name, (_, value) in LOAD_SETTINGS.items()}


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


@pytest.fixture(scope="module")
def plain_pixels(tmp_path_factory):
    return pixels(generate(tmp_path_factory.mktemp("plain"), "--seed", 7))


def pixels(document):
    with Image.open(document["pictures"][0]["path"]) as picture:
        return picture.tobytes()


# --- pictures to start from --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A picture of 96 x 80 pixels, and a mask that is white on its right half."""
    folder = tmp_path_factory.mktemp("start")
    Image.new("RGB", (96, 80), (30, 160, 60)).save(folder / "in.jpg")
    mask = Image.new("RGBA", (96, 80))
    mask.paste((255, 255, 255, 255), (48, 0, 96, 80))
    mask.save(folder / "mask.png")
    return folder


def test_image_to_image(tmp_path, start):
    document = generate(tmp_path, "--image", start / "in.jpg", "--strength", "0.5", "--steps", 4, "--seed", 1)
    assert document["image"] == str(start / "in.jpg") and document["mask"] is None
    assert (document["pictures"][0]["width"], document["pictures"][0]["height"]) == (96, 80)
    assert len(document["sigmas"]) == 3 and document["warnings"] == []
    assert document["settings"]["strength"] == 0.5 and document["settings"]["num_inference_steps"] == 4
    done = llmdit("generate", "x", "--image", start / "in.jpg", "--strength", "0.5", "--steps", 4, cwd=tmp_path)
    assert "2 of 4 steps" in done.stderr


def test_inpainting_and_outpainting(tmp_path, start):
    arguments = ["--image", start / "in.jpg", "--mask", start / "mask.png", "--mask-composite", "--seed", 1]
    document = generate(tmp_path, *arguments, "--steps", 2, "--outpaint", "0,0,0,16")
    assert (document["pictures"][0]["width"], document["pictures"][0]["height"]) == (96, 96)
    assert document["settings"]["strength"] == 1
    with Image.open(document["pictures"][0]["path"]) as picture:
        kept = picture.crop((0, 0, 40, 80)).getcolors()
        new = picture.crop((48, 0, 96, 80)).getcolors()
    with Image.open(start / "in.jpg") as source:
        assert kept == source.crop((0, 0, 40, 80)).getcolors() and len(new or range(9)) > 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--image", "missing.png"], NOT_FOUND, "missing.png"),
        (["--image", "{start}/in.jpg", "--mask", "missing.png"], NOT_FOUND, "missing.png"),
        (["--image", __file__], UNSUPPORTED, "test_cli.py"),
        (["--image", "{start}/in.jpg", "--strength", "2"], USAGE, "--strength"),
        (["--outpaint", "1,x,2,3"], USAGE, "--outpaint"),
        (["--preview", "preview.gif"], USAGE, ".gif"),
    ],
)
def test_inputs_that_cannot_be_used(tmp_path, start, arguments, code, told):
    arguments = [argument.format(start=start) for argument in arguments]
    done = llmdit("generate", "x", *FAST, *arguments, cwd=tmp_path)
    assert done.returncode == code and told in done.stderr and "Traceback" not in done.stderr
    assert files_in(tmp_path) == []


def test_previews_are_written(tmp_path):
    generate(tmp_path, "--steps", 2, "--width", 96, "--preview", tmp_path / "new" / "preview.png")
    with Image.open(tmp_path / "new" / "preview.png") as preview:
        assert preview.size == (96, 128) and not preview.text


def test_tiled_vae_is_vae_tiling_on(tmp_path):
    document = generate(tmp_path, *FAST, "--tiled-vae", "--tile-size", 64, "--tile-overlap", 16)
    settings = document["settings"]
    assert (settings["vae_tiling"], settings["vae_tile_size"], settings["vae_tile_overlap"]) == ("on", 64, 16)


# Flags that scripts of others already use.
OLD_FLAGS = [
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
    words = re.findall(r"--(?:\[no-\])?([a-z-]+)", llmdit("generate", "--help").stdout)
    assert old.removeprefix("--") in words


def test_the_last_of_a_repeated_flag_counts(tmp_path):
    document = generate(tmp_path, "--steps", 1, "--steps", 2, "--strip-quotes", "--no-strip-quotes")
    assert document["settings"]["num_inference_steps"] == 2
    assert document["settings"]["strip_quotes"] is False


def test_an_empty_value_is_a_value(tmp_path):
    assert generate(tmp_path, *FAST, "--negative-prompt=", "--system-prompt", "")["settings"]["negative_prompt"] == ""
    refused = llmdit("generate", "a", "--seed=")
    assert refused.returncode == USAGE and "--seed" in refused.stderr


# --- prompts ----------------------------------------------------------------------------------------------------------


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


# --- results ----------------------------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_pictures(tmp_path, plain_pixels):
    assert pixels(generate(tmp_path, "--seed", 7)) == plain_pixels


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_python_gives_the_same_picture(plain_pixels, one_thread):
    pipe = python_module.ZImagePipeline.from_pretrained(str(DEMO_MODEL))
    assert pipe("a red circle on a white background", seed=7).images[0].tobytes() == plain_pixels


def largest_difference(a, b):
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b))


def test_a_drawn_seed_is_told_and_repeats_the_picture(tmp_path):
    first = generate(tmp_path)
    seed = first["pictures"][0]["seed"]
    drawn = pixels(first)
    again = generate(tmp_path, "--seed", seed)
    assert again["settings"]["seed"] == first["settings"]["seed"] == seed
    assert pixels(again) == drawn


def test_several_pictures_are_numbered_and_have_their_own_seeds(tmp_path):
    done = llmdit(
        "generate", "a red circle", *FAST, "--seed", 7, "--num-images-per-prompt", 3, "-o", "out/cat.png", cwd=tmp_path
    )
    assert done.stdout.splitlines() == ["out/cat-0001.png", "out/cat-0002.png", "out/cat-0003.png"]
    assert files_in(tmp_path) == done.stdout.splitlines()
    seeds = [json.loads(Image.open(tmp_path / path).text["llmdit"])["seed"] for path in done.stdout.splitlines()]
    assert seeds == [7, 8, 9]
    assert "seeds 7 to 9" in done.stderr


def test_the_second_picture_is_that_of_the_next_seed(tmp_path):
    two = generate(tmp_path, "--seed", 6, "--num-images-per-prompt", 2)
    one = generate(tmp_path, "--seed", 7)
    with Image.open(two["pictures"][1]["path"]) as second, Image.open(one["pictures"][0]["path"]) as alone:
        assert largest_difference(second.tobytes(), alone.tobytes()) <= 2  # sums in a larger batch may round otherwise


def test_without_an_output_the_file_is_output_png(tmp_path):
    done = llmdit("generate", "a red circle", *FAST, cwd=tmp_path)
    assert (done.stdout, files_in(tmp_path)) == ("output.png\n", ["output.png"])


def test_a_replaced_file_is_told(tmp_path):
    first = llmdit("generate", "a", *FAST, cwd=tmp_path)
    assert "replaced" not in first.stderr
    second = llmdit("generate", "a", *FAST, "--quiet", "--json", cwd=tmp_path)
    assert "replaced the file output.png" in second.stderr
    assert json.loads(second.stdout)["pictures"][0]["replaced"] is True


def test_a_picture_on_stdout(tmp_path):
    document = generate(tmp_path, "--seed", 7)
    done = llmdit("generate", "a red circle on a white background", "--seed", 7, "-o", "-", text=False, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == Path(document["pictures"][0]["path"]).read_bytes()


def test_stdout_carries_results_and_stderr_the_rest(tmp_path):
    done = llmdit("generate", "a red circle", *FAST, "--seed", 7, cwd=tmp_path)
    assert done.stdout == "output.png\n"
    assert "using the demo model" in done.stderr
    assert "seed 7, 128 x 128 pixels, 1 steps" in done.stderr
    assert all(line.startswith("llmdit: ") for line in done.stderr.splitlines())


def test_quiet_says_nothing(tmp_path):
    done = llmdit("generate", "a red circle", *FAST, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "output.png\n", "")


def test_timings_add_up(tmp_path):
    timings = generate(tmp_path)["timings"]
    assert timings["encode"] + timings["denoise"] + timings["decode"] == pytest.approx(timings["total"], rel=0.1)
    assert sum(timings["steps"]) == pytest.approx(timings["denoise"], rel=0.1)


# --- metadata ---------------------------------------------------------------------------------------------------------


def test_the_picture_holds_its_parameters(tmp_path):
    prompt = "a red circle, on white"
    document = generate(
        tmp_path, "--seed", 7, "--steps", 3, "--guidance-scale", 1.5, "--negative-prompt", "blue", prompt=prompt
    )
    with Image.open(document["pictures"][0]["path"]) as picture:
        text = dict(picture.text)
    lines = text["parameters"].splitlines()
    assert lines[:2] == [prompt, "Negative prompt: blue"]
    assert lines[2].startswith("Steps: 3, ") and "Seed: 7" in lines[2] and "Size: 128x128" in lines[2]
    ours = json.loads(text["llmdit"])
    assert (ours["prompt"], ours["seed"], ours["width"], ours["guidance_scale"]) == (prompt, 7, 128, 1.5)


def test_parameters_beyond_latin_letters(tmp_path):
    document = generate(tmp_path, *FAST, prompt="猫 🐈")
    with Image.open(document["pictures"][0]["path"]) as picture:
        assert picture.text["parameters"].startswith("猫 🐈\n")
        assert json.loads(picture.text["llmdit"])["prompt"] == "猫 🐈"


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_without_metadata_nothing_is_left(tmp_path, suffix):
    output = tmp_path / f"plain.{suffix}"
    assert llmdit("generate", "a secret wish", *FAST, "--no-metadata", "-o", output, cwd=tmp_path).returncode == 0
    with Image.open(output) as picture:
        assert "exif" not in picture.info and not getattr(picture, "text", {})
    data = output.read_bytes()
    assert b"secret" not in data and b"llmdit" not in data
    assert set(re.findall(rb"tEXt|iTXt|zTXt|eXIf|tIME|Exif|EXIF", data)) == set()


@pytest.mark.parametrize("suffix,kind", [("jpg", "JPEG"), ("JPEG", "JPEG"), ("webp", "WEBP")])
def test_the_suffix_gives_the_format(tmp_path, suffix, kind):
    command = ["generate", "красный круг", *FAST, "--seed", 7, "--quiet"]
    for quality in (20, 90):
        done = llmdit(*command, "-o", f"{quality}.{suffix}", "--quality", quality, cwd=tmp_path)
        assert done.stdout == f"{quality}.{suffix}\n"
    coarse, fine = (tmp_path / f"{quality}.{suffix}" for quality in (20, 90))
    assert Image.open(fine).format == kind and coarse.stat().st_size < fine.stat().st_size
    text = {entry["keyword"]: entry["text"] for entry in inspected(fine)["text"]}
    assert text["parameters"].startswith("красный круг\nSteps: 1")
    assert json.loads(text["llmdit"])["seed"] == 7


def test_texts_too_long_for_jpeg_are_left_out_with_a_warning(tmp_path):
    done = llmdit("generate", "a", *FAST, "--negative-prompt", "x" * 70000, "-o", "a.jpg", cwd=tmp_path)
    assert done.returncode == 0 and "left prompt and settings out of a.jpg" in done.stderr
    assert inspected(tmp_path / "a.jpg")["text"] == []


# --- refusals ---------------------------------------------------------------------------------------------------------

BAD_USAGE = {
    "no command": ([], "a command is missing"),
    "unknown command": (["genrate", "a"], "did you mean generate?"),
    "unknown flag": (["generate", "a", "--step", "3"], "did you mean --steps?"),
    "unknown flag of another kind": (["generate", "a", "--frobnicate"], "unknown option --frobnicate"),
    "unknown short flag": (["generate", "a", "-z"], "unknown option -z"),
    "flag without value": (["generate", "a", "--steps"], "--steps"),
    "no prompt": (["generate"], "a prompt is missing"),
    "two prompts": (["generate", "a", "--prompt-file", "b"], "not both"),
    "unquoted prompt": (["generate", "a", "cat"], "'cat'; a text with blanks needs quotes"),
    "steps 0": (["generate", "a", "--steps", "0"], "--steps: expected 1 to"),
    "steps negative": (["generate", "a", "--steps", "-4"], "--steps: expected 1 to"),
    "steps huge": (["generate", "a", "--steps", "1000000000000"], "--steps: expected 1 to"),
    "steps beyond 64 bits": (["generate", "a", "--steps", "9" * 30], "--steps: expected"),
    "steps a fraction": (["generate", "a", "--steps", "2.5"], "--steps: expected a whole number, got '2.5'"),
    "steps a word": (["generate", "a", "--steps", "many"], "--steps: expected a whole number, got 'many'"),
    "steps empty": (["generate", "a", "--steps", ""], "--steps: expected a whole number, got ''"),
    "seed negative": (["generate", "a", "--seed", "-1"], "--seed: expected a whole number that is not negative"),
    "seed beyond 64 bits": (["generate", "a", "--seed", "18446744073709551616"], "--seed: expected"),
    "guidance NaN": (["generate", "a", "--guidance-scale", "nan"], "--guidance-scale: expected"),
    "guidance infinite": (["generate", "a", "--guidance-scale", "inf"], "--guidance-scale: expected"),
    "guidance negative": (["generate", "a", "--guidance-scale", "-1"], "--guidance-scale: expected"),
    "shift 0": (["generate", "a", "--shift", "0"], "--shift: expected"),
    "sigmas with a hole": (["generate", "a", "--sigmas", "1,,0.5"], "--sigmas: expected numbers separated by commas"),
    "sigmas that rise": (["generate", "a", "--steps", "2", "--sigmas", "0.5,1"], "sigmas"),
    "size 100": (["generate", "a", "--width", "100"], "multiple of 16"),
    "size negative": (["generate", "a", "--height", "-16"], "--height: expected"),
    "size huge": (["generate", "a", "--width", "1000000000"], "--width: expected"),
    "size beyond the model": (["generate", "a", "--width", "65536"], "expected at most 2048 pixels"),
    "unknown type": (["generate", "a", "--torch-dtype", "float8"], "--torch-dtype: expected one of"),
    "unknown device": (["generate", "a", "--device", "toaster"], "toaster"),
    "layer beyond the model": (["generate", "a", "--hidden-layer", "99"], "99"),
    "output is a folder": (["generate", "a", "-o", "."], "is a folder"),
    "output ends in a slash": (["generate", "a", "-o", "new/"], "is a folder"),
    "output empty": (["generate", "a", "-o", ""], "--output"),
    "output of another format": (["generate", "a", "-o", "a.gif"], ".png, .jpg, .jpeg or .webp, not as .gif"),
    "quality of a PNG": (["generate", "a", "--quality", "80"], "PNG is lossless"),
    "quality of a PNG on stdout": (["generate", "a", "-o", "-", "--quality", "80"], "PNG is lossless"),
    "quality out of range": (["generate", "a", "-o", "a.jpg", "--quality", "101"], "--quality"),
    "two results on stdout": (["generate", "a", "--json", "-o", "-"], "--json and --output -"),
    "several pictures on stdout": (["generate", "a", "-o", "-", "--num-images-per-prompt", "2"], "takes one picture"),
    "model path empty": (["generate", "a", "--model-path", ""], "--model-path"),
    "switch with a value": (["generate", "a", "--strip-quotes=maybe"], "strip-quotes"),
    "no path": (["inspect"], "a path is missing"),
    "stray json": (["--json"], "--json"),
}


@pytest.mark.parametrize("case", BAD_USAGE)
def test_bad_usage(tmp_path, case):
    arguments, message = BAD_USAGE[case]
    done = llmdit(*arguments, cwd=tmp_path)
    assert done.returncode == USAGE, done.stderr
    assert message in done.stderr
    assert done.stdout == ""
    assert all(line.startswith("llmdit: ") for line in done.stderr.splitlines())
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("part", ["model_index.json", "tokenizer", "text_encoder", "transformer", "vae", "scheduler"])
def test_a_model_that_lacks_a_part(tmp_path, part):
    model = copy_of_demo_model(tmp_path / "model")
    lacking = model / part
    shutil.rmtree(lacking) if lacking.is_dir() else lacking.unlink()
    done = llmdit("generate", "a", "--model-path", model, cwd=tmp_path)
    assert done.returncode == NOT_FOUND
    assert part in done.stderr
    assert done.stdout == "" and not (tmp_path / "output.png").exists()


def test_a_model_that_is_not_there(tmp_path):
    done = llmdit("generate", "a", "--model-path", "nowhere", cwd=tmp_path)
    assert done.returncode == NOT_FOUND and "nowhere" in done.stderr


def test_a_damaged_model(tmp_path):
    model = copy_of_demo_model(tmp_path / "model")
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    done = llmdit("generate", "a", "--model-path", model, cwd=tmp_path)
    assert done.returncode == UNSUPPORTED and str(weights) in done.stderr


def test_a_model_of_another_kind(tmp_path):
    model = copy_of_demo_model(tmp_path / "model")
    index = model / "model_index.json"
    index.write_text(index.read_text().replace("ZImagePipeline", "FluxPipeline"))
    done = llmdit("generate", "a", "--model-path", model, cwd=tmp_path)
    assert done.returncode == UNSUPPORTED and "FluxPipeline" in done.stderr


def test_the_environment_names_a_model_and_the_flag_has_the_last_word(tmp_path):
    done = llmdit("generate", "a", cwd=tmp_path, env={"LLMDIT_MODEL": "nowhere"})
    assert done.returncode == NOT_FOUND and "demo model" not in done.stderr
    done = llmdit("generate", "a", *FAST, "--model-path", DEMO_MODEL, cwd=tmp_path, env={"LLMDIT_MODEL": "nowhere"})
    assert done.returncode == 0 and "demo model" not in done.stderr
    done = llmdit("generate", "a", *FAST, cwd=tmp_path, env={"LLMDIT_MODEL": ""})
    assert done.returncode == 0 and "demo model" in done.stderr


def copy_of_demo_model(folder):
    return Path(shutil.copytree(DEMO_MODEL, folder))


@pytest.mark.parametrize("prompt_file", ["nowhere.txt", "."])
def test_a_prompt_file_that_cannot_be_read(tmp_path, prompt_file):
    done = llmdit("generate", "--prompt-file", prompt_file, cwd=tmp_path)
    assert done.returncode == NOT_FOUND and f"cannot read {prompt_file}" in done.stderr


@pytest.mark.parametrize("output", ["file/cat.png", "/proc/cat.png", "/dev/full"])
def test_an_output_that_cannot_be_written(tmp_path, output):
    (tmp_path / "file").touch()
    done = llmdit("generate", "a", *FAST, "-o", output, cwd=tmp_path)
    assert done.returncode == NOT_FOUND and "cannot write" in done.stderr
    assert done.stdout == "" and files_in(tmp_path) == ["file"]


def test_an_output_is_checked_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    done = llmdit("generate", "a", "-o", "file/cat.png", "--model-path", "nowhere", cwd=tmp_path)
    assert "file is not a folder" in done.stderr


def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path):
    def small_files_only():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    (tmp_path / "cat.png").write_bytes(b"older")
    done = llmdit("generate", "a", *FAST, "-o", "cat.png", cwd=tmp_path, preexec_fn=small_files_only)
    assert done.returncode == NOT_FOUND and "File too large" in done.stderr
    assert files_in(tmp_path) == ["cat.png"] and (tmp_path / "cat.png").read_bytes() == b"older"


@pytest.mark.parametrize("command", [["generate", "a", *FAST], ["format", "a"], ["devices"], ["--help"]])
def test_a_full_stdout_is_an_error(tmp_path, command):
    with open("/dev/full", "w") as full:
        done = llmdit(*command, cwd=tmp_path, stdout=full)
    assert done.returncode == NOT_FOUND and "[stdout] cannot be written" in done.stderr


def test_a_reader_that_leaves_ends_it_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = llmdit("devices", cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


def test_no_memory_left(tmp_path):
    def little_memory():
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))

    done = llmdit(
        "generate",
        "a",
        "--width",
        256,
        "--height",
        256,
        "--num-images-per-prompt",
        1024,
        cwd=tmp_path,
        preexec_fn=little_memory,
    )
    assert done.returncode == OUT_OF_MEMORY, done.stderr
    assert done.stdout == "" and files_in(tmp_path) == []


# --- terminals and signals --------------------------------------------------------------------------------------------


class OnTerminal:
    """A run of the command whose stderr is a terminal."""

    def __init__(self, *arguments, cwd, **env):
        self.screen, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [LLMDIT, *map(str, arguments)],
            cwd=cwd,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        os.close(terminal)
        self.shown = ""

    def read(self, until=None, seconds=120):
        """What the terminal shows up to its end, or until the text is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and until in self.shown):
            if not select.select([self.screen], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(self.screen, 4096)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            self.shown += chunk.decode()
        return self.shown

    def finish(self):
        self.read()
        os.close(self.screen)
        stdout, _ = self.process.communicate(timeout=120)
        return self.process.returncode, stdout.decode()


def test_a_terminal_shows_a_bar(tmp_path):
    run = OnTerminal("generate", "a", "--steps", 4, cwd=tmp_path)
    assert run.finish() == (0, "output.png\n")
    for step in range(5):
        assert f"step {step}/4" in run.shown
    assert "\x1b[32m" in run.shown
    assert re.search(r"\r\x1b\[Kllmdit: seed", run.shown), "the bar is gone before the report"


def test_no_color(tmp_path):
    run = OnTerminal("generate", "a", "--steps", 2, cwd=tmp_path, NO_COLOR="1")
    assert run.finish()[0] == 0
    assert "step 2/2" in run.shown and "\x1b[32m" not in run.shown


@pytest.mark.parametrize("arguments, env", [(["--quiet"], {}), ([], {"TERM": "dumb"})])
def test_no_bar_where_none_is_wanted(tmp_path, arguments, env):
    run = OnTerminal("generate", "a", *FAST, *arguments, cwd=tmp_path, **env)
    assert run.finish()[0] == 0
    assert "step 1/1" not in run.shown and "\x1b" not in run.shown


def test_no_bar_without_a_terminal(tmp_path):
    done = llmdit("generate", "a", *FAST, cwd=tmp_path)
    assert "\r" not in done.stderr and "\x1b" not in done.stderr and "step 1/1" not in done.stderr


def test_a_picture_is_not_poured_into_a_terminal(tmp_path):
    screen, terminal = pty.openpty()
    done = llmdit("generate", "a", "-o", "-", cwd=tmp_path, stdout=terminal)
    os.close(terminal)
    os.close(screen)
    assert done.returncode == USAGE and "terminal" in done.stderr


def test_ctrl_c_stops_after_the_step(tmp_path):
    run = OnTerminal("generate", "a", "--steps", 10000, cwd=tmp_path)
    run.read(until="step 2/10000")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == (INTERRUPTED, "")
    assert "stopping after this step" in run.shown and "llmdit: interrupted" in run.shown
    assert files_in(tmp_path) == []


def test_a_second_ctrl_c_quits_at_once(tmp_path):
    # Steps long enough that the second one finds the first still waiting for the end of its step.
    run = OnTerminal("generate", "a", "--steps", 10000, "--num-images-per-prompt", 64, cwd=tmp_path)
    run.read(until="step 0/10000")
    time.sleep(0.5)
    run.process.send_signal(signal.SIGINT)
    run.read(until="quits at once")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == (INTERRUPTED, "")
    assert files_in(tmp_path) == []


def test_an_ignored_ctrl_c_stays_ignored(tmp_path):
    process = subprocess.Popen(
        [LLMDIT, "generate", "a", "--steps", "40"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    process.stderr.readline()  # says which model it takes
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[0] == b"output.png\n"


# --- the other commands -----------------------------------------------------------------------------------------------


def test_help_of_everything():
    overview = llmdit("--help")
    assert overview.returncode == 0 and overview.stderr == ""
    commands = re.findall(r"^  ([a-z]+) +[A-Z]", overview.stdout.split("Commands:")[1].split("\n\n")[0], re.M)
    assert commands == ["generate", "encode", "format", "inspect", "convert", "devices"]
    for command in commands:
        text = llmdit(command, "--help").stdout
        assert text.startswith(f"Usage: llmdit {command} [OPTIONS]") and "Examples:\n" in text
        assert max(map(len, text.splitlines())) <= 120 and len(text.splitlines()) <= 80


def test_help_tells_units_bounds_and_defaults():
    text = re.sub(r"\s+", " ", llmdit("generate", "--help").stdout)
    assert "--steps N denoising steps, one run of the transformer each (1 to 10000; default 9)" in text
    assert "--width PIXELS picture width" in text
    assert "(auto, float32, bfloat16, float16; default auto)" in text
    assert "--[no-]strip-quotes" in text


def test_version():
    line = llmdit("--version").stdout
    assert re.fullmatch(r"llmdit \d+\.\d+\.\d+, libtorch \S+\n", line)
    document = json.loads(llmdit("--version", "--json").stdout)
    assert document["libtorch"] == torch.__version__.split("+")[0]
    assert line.split()[1].rstrip(",") == document["llmdit"]
    assert {"compiler", "build_type", "build_flags", "cxx11_abi"} <= document.keys()


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
        "system_prompt",
        "thinking_content",
        "assistant_content",
        "force_think_block",
        "strip_quotes",
        "clean_whitespace",
    ]
    load = {name: value for name, value in LOAD_SETTINGS.items() if name not in ("transformer_path", "vae_path", "lora")}
    document = json.loads(llmdit("encode", "a", "--json", *typed(GENERATE_SETTINGS, names), *typed(load)).stdout)
    assert document["settings"] == {name: GENERATE_SETTINGS[name][1] for name in names}
    assert document["load"] == {name: value for name, (_, value) in load.items()}
    plain = json.loads(llmdit("encode", "a", "--json").stdout)
    other = json.loads(llmdit("encode", "a", "--json", "--hidden-layer", "-1").stdout)
    assert plain["norm"] != other["norm"]


def test_encode_for_people():
    assert re.fullmatch(
        r"\d+ tokens: \[\d+, \d+\] float32, mean \S+, std \S+, min \S+, max \S+, norm \S+\n",
        llmdit("encode", "a red circle").stdout,
    )


def test_flags_of_other_commands_are_unknown():
    assert llmdit("encode", "a", "--steps", "3").returncode == USAGE
    assert llmdit("format", "a", "--hidden-layer", "-1").returncode == USAGE


def test_inspect_a_model_folder():
    document = json.loads(llmdit("inspect", DEMO_MODEL, "--json", "--tensors").stdout)["files"][0]
    assert (document["kind"], document["model"]) == ("model_folder", "ZImagePipeline")
    parts = {Path(part["path"]).name: part for part in document["components"]}
    assert list(parts) == ["tokenizer", "text_encoder", "transformer", "vae"]
    transformer = parts["transformer"]
    header = safetensors_header(DEMO_MODEL / "transformer" / "diffusion_pytorch_model.safetensors")
    assert {t["name"]: (t["dtype"], t["shape"]) for t in transformer["tensors"]} == {
        name: (entry["dtype"], entry["shape"]) for name, entry in header.items() if name != "__metadata__"
    }
    assert sum(d["tensors"] for d in transformer["dtypes"].values()) == len(transformer["tensors"])
    assert sum(d["bytes"] for d in transformer["dtypes"].values()) == sum(t["bytes"] for t in transformer["tensors"])


def safetensors_header(path):
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def test_inspect_for_people():
    done = llmdit("inspect", DEMO_MODEL)
    assert "model_folder, ZImagePipeline" in done.stdout and "transformer: component" in done.stdout
    assert "layers.0" not in done.stdout
    assert "layers.0" in llmdit("inspect", DEMO_MODEL, "--tensors").stdout


def test_inspect_a_picture(tmp_path):
    path = generate(tmp_path, *FAST, prompt="a cat")["pictures"][0]["path"]
    document = inspected(path)
    assert (document["kind"], document["width"], document["height"]) == ("picture", 128, 128)
    assert (document["format"], document["color"], document["has_alpha"]) == ("png", "RGB", False)
    assert "png, 128 x 128 pixels, RGB of 8 bits" in llmdit("inspect", path).stdout
    assert {entry["keyword"] for entry in document["text"]} == {"parameters", "llmdit"}


def test_inspect_goes_on_after_a_bad_file(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 100)
    done = llmdit("inspect", "nowhere", "broken.safetensors", DEMO_MODEL / "vae", "--json", cwd=tmp_path)
    assert done.returncode == NOT_FOUND  # of the first one that failed
    assert [file["path"] for file in json.loads(done.stdout)["files"]] == [str(DEMO_MODEL / "vae")]
    assert "nowhere" in done.stderr and "broken.safetensors" in done.stderr
    assert llmdit("inspect", "broken.safetensors", cwd=tmp_path).returncode == UNSUPPORTED


def test_inspect_takes_names_as_they_are(tmp_path):
    for name in ["[a, b].png", "[c]"]:
        shutil.copy(ROOT / "examples" / "demo_model" / "sheet.png", tmp_path / name)
    document = json.loads(llmdit("inspect", "[a, b].png", "[c]", "--json", cwd=tmp_path).stdout)
    assert [file["path"] for file in document["files"]] == ["[a, b].png", "[c]"]


def test_devices():
    devices = json.loads(llmdit("devices", "--json").stdout)["devices"]
    assert devices[0]["name"] == "cpu" and devices[0]["memory_bytes"] > 0
    assert llmdit("devices").stdout.startswith("cpu ")
