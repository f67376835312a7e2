"""Help, version, and the commands beside generate: inspect, convert, devices."""

import json
import re
import shutil
from pathlib import Path

import torch
from command import DEMO_MODEL, FAST, NOT_FOUND, ROOT, UNSUPPORTED, USAGE, commands, generate, inspected, llmdit


def test_help_of_everything():
    overview = llmdit("--help")
    assert overview.returncode == 0 and overview.stderr == ""
    assert commands() == [
        *("generate", "sweep"),
        *("rewrite", "templates", "format", "encode"),
        *("inspect", "plan", "convert", "serve-encoder"),
        *("doctor", "devices", "config", "completion"),
    ]
    assert "Make pictures:\n  generate" in overview.stdout and "\nExamples:\n" in overview.stdout
    assert len(overview.stdout.splitlines()) <= 50
    for command in commands():
        text = llmdit(command, "--help", env={"COLUMNS": "120"}).stdout
        assert text.startswith(f"Usage: llmdit {command} [OPTIONS]") and "Examples:\n" in text
        assert max(map(len, text.splitlines())) <= 120 and len(text.splitlines()) <= 60


def test_help_is_as_wide_as_its_reader(tmp_path):
    def widest(columns):
        text = llmdit("generate", "--help", env={"COLUMNS": columns}).stdout
        return max(map(len, text.split("Examples:")[0].splitlines()))

    assert widest("80") <= 80 < widest("100") <= 100
    assert widest("20") <= 60 and widest("5000") <= 120  # what can still be read
    assert widest("0") == widest("many") == widest("")  # no number of columns


def test_help_of_the_fine_points():
    common, everything = llmdit("generate", "--help").stdout, llmdit("generate", "--help-all").stdout
    assert re.search(r"\n\d+ more for fine points: llmdit generate --help-all\n\nExamples", common)
    assert "--sigmas" not in common and "--long-prompt-mode" not in common
    assert "Fine points:" in everything and "--sigmas X,X,..." in everything and "--steps N" in everything


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
