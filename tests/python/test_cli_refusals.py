"""What the `llmdit` command refuses, and how it ends: message, exit code, and nothing half done."""

import os
import resource
import shutil
import signal

import pytest
from command import (
    DEMO_MODEL,
    FAST,
    NOT_FOUND,
    OUT_OF_MEMORY,
    UNSUPPORTED,
    USAGE,
    copy_of_demo_model,
    files_in,
    llmdit,
)

BAD_USAGE = {
    "unknown command": (["genrate", "a"], "did you mean generate?"),
    "unknown flag": (["generate", "a", "--step", "3"], "did you mean --steps?"),
    "unknown flag of another kind": (["generate", "a", "--frobnicate"], "unknown option --frobnicate"),
    "unknown short flag": (["generate", "a", "-z"], "unknown option -z"),
    "flag before the command": (
        ["--steps", "3", "generate", "a"],
        "--steps comes after a command, as in 'llmdit generate",
    ),
    "choice misspelt": (["generate", "a", "--progress", "jsn"], "got 'jsn', did you mean json?"),
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


def test_the_name_alone_says_what_it_is():
    done = llmdit()
    assert done.returncode == USAGE and done.stdout == ""
    assert done.stderr == llmdit("--help").stdout + "llmdit: a command is missing\n"
    assert llmdit("help").stdout == llmdit("--help").stdout
    assert llmdit("help", "generate").stdout == llmdit("generate", "--help").stdout


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
