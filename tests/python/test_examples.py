"""The examples run as their headers say, and draw the same pictures in every language."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROMPT = "a red circle left of a blue star"
NAMES = sorted(path.stem for path in (EXAMPLES / "python").glob("*.py"))


def run(command: list[str | Path], folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "build/python")}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)


def pictures(folder: Path) -> dict[str, np.ndarray]:
    """By name without the language's mark."""
    found = sorted(folder.glob("*.png"))
    return {path.stem.replace("_c-", "-").removesuffix("_c"): np.asarray(Image.open(path)) for path in found}


def test_every_language_has_the_same_examples() -> None:
    assert len(NAMES) >= 5
    for language, suffix in (("cpp", "cpp"), ("c", "c")):
        assert sorted(path.stem for path in (EXAMPLES / language).glob(f"*.{suffix}")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_example(name: str, tmp_path: Path) -> None:
    commands = {
        "python": [sys.executable, EXAMPLES / f"python/{name}.py"],
        "cpp": [ROOT / f"build/bin/{name}"],
        "c": [ROOT / f"build/bin/{name}_c"],
    }
    drawn = {}
    for language, command in commands.items():
        folder = tmp_path / language
        folder.mkdir()
        run(command, folder)
        drawn[language] = pictures(folder)
    assert drawn["python"], "an example draws pictures"
    for language in ("cpp", "c"):
        assert drawn[language].keys() == drawn["python"].keys()
        for picture, pixels in drawn["python"].items():
            # One level apart: where an example does arithmetic of its own, languages round it differently.
            apart = np.abs(drawn[language][picture].astype(int) - pixels.astype(int)).max()
            assert apart <= (1 if name == "embeddings_out_and_in" else 0), f"{language}: {picture}"


@functools.cache
def drawn_by_python() -> np.ndarray:
    """What text_to_picture draws of PROMPT, in whatever language."""
    with tempfile.TemporaryDirectory() as folder:
        run([sys.executable, EXAMPLES / "python/text_to_picture.py", PROMPT, "picture.png"], Path(folder))
        return np.asarray(Image.open(Path(folder) / "picture.png"))


def test_ctypes(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    run([sys.executable, EXAMPLES / "ctypes/text_to_picture.py", PROMPT, picture], ROOT)
    assert np.array_equal(np.asarray(Image.open(picture)), drawn_by_python())


# The files of the other languages, what has to be there to run them, and what asks whether it is.
OTHER_LANGUAGES = {
    "rust/text_to_picture.rs": ("rustc", ["rustc", "--version"]),
    "java/TextToPicture.java": (
        "a JDK and JNA (libjna-java)",
        ["javac", "-cp", "/usr/share/java/jna.jar", "Asks.java"],
    ),
    "nodejs/text_to_picture.js": ("Node.js and koffi", ["node", "-e", "require('koffi')"]),
}


@pytest.mark.parametrize("name", OTHER_LANGUAGES)
def test_other_languages(name: str, tmp_path: Path) -> None:
    """The commands of the example's header, but those that fetch something."""
    environment = {**os.environ, "NODE_PATH": str(ROOT / ".venv/node_modules")}
    needed, question = OTHER_LANGUAGES[name]
    (tmp_path / "Asks.java").write_text("class Asks { com.sun.jna.Pointer pointer; }")
    if shutil.which(question[0]) is None or subprocess.run(question, cwd=tmp_path, env=environment).returncode != 0:
        pytest.skip(f"needs {needed}, which tools/setup.sh brings where the language itself is installed")
    for part in ("build", "examples"):
        (tmp_path / part).symlink_to(ROOT / part)
    (tmp_path / "out").mkdir()
    header = [line for line in (EXAMPLES / name).read_text().splitlines() if line.startswith("//   ")]
    commands = [line.removeprefix("//   ").removesuffix(" [model]") for line in header if "npm install" not in line]
    assert commands[-1].endswith(f'"{PROMPT}" picture.png')
    for line in commands:
        subprocess.run(
            ["bash", "-ec", line], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120
        )
    assert np.array_equal(np.asarray(Image.open(tmp_path / "picture.png")), drawn_by_python())


def test_ctypes_rewrites() -> None:
    answer = subprocess.run(
        [sys.executable, EXAMPLES / "ctypes/rewrite_prompt.py", "yellow heart, bottom left, pink bg"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    shown, prompt = answer.stdout.rsplit("=>", 1)
    assert "heart" in prompt
    assert prompt.strip() in shown
