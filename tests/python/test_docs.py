"""Every block of code in README.md and docs/ runs, compiles or is a valid configuration; see doc_blocks.py for how.
CMake's are configured by test_installation.py."""

import contextlib
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chat_server
import command
import llmdit
import numpy as np
import pytest
import torch
from doc_blocks import NOT_CODE, Block, blocks_of, commands_of, one_program
from PIL import Image, ImageDraw

ROOT = command.ROOT
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = ("circle.png", "cat.png", "reference.png", "picture.png")
SECONDS = 120


def pages_with(*languages: str) -> list[Any]:
    found = [page for page in PAGES if any(block.language in languages for block in blocks_of(page))]
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in found]


@pytest.fixture(scope="module")
def demo_pipe() -> llmdit.ZImagePipeline:
    return llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())


@pytest.fixture(scope="module")
def servers(demo_pipe: llmdit.ZImagePipeline) -> Iterator[dict[str, str]]:
    """What answers in the place of the ports that the pages name."""
    with llmdit.EncoderServer(demo_pipe.text_encoder, port=0) as encoder, chat_server.ChatServer() as chat:
        yield {"http://127.0.0.1:8765": encoder.url, "http://localhost:8000": chat.url, "port=8765": "port=0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the pages speak of."""
    demo = command.DEMO_MODEL
    for name in ("Z-Image-Turbo", "model", "FOLDER"):
        (tmp_path / name).symlink_to(demo)
    (tmp_path / "z_image_turbo_fp8.safetensors").symlink_to(demo / "transformer/diffusion_pytorch_model.safetensors")
    (tmp_path / "qwen_3_4b.safetensors").symlink_to(demo / "text_encoder/model.safetensors")
    for name in ("style.safetensors", "other.safetensors"):
        (tmp_path / name).symlink_to(demo / "loras/neon.safetensors")
    picture = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(picture).ellipse((32, 32, 96, 96), fill="red")
    for name in PICTURES:
        picture.save(tmp_path / name)
    mask = Image.new("L", (128, 128))
    mask.paste(255, (64, 0, 128, 128))
    mask.save(tmp_path / "mask.png")
    (tmp_path / "prompts.txt").write_text("a red circle\na blue star\n")
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards/shape.txt").write_text("circle\nstar\n")
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config/llmdit").symlink_to(tmp_path)  # a file config.toml in the folder is the user's
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    path = f"{folder}/bin:{command.LLMDIT.parent}:{os.environ['PATH']}"
    ours = command.environment(HOME=str(folder), PATH=path, PYTHONPATH=str(ROOT / "build/python"))
    return {key: value for key, value in ours.items() if key not in ("LLMDIT_CONFIG", "XDG_CONFIG_HOME")}


def run_shell(code: str, folder: Path) -> None:
    # A server is asked to go once it stands.
    code = re.sub(
        r"^(llmdit serve-encoder.*?)(#.*)?$", r"timeout 2 \1 --port 0 || test $? = 124", code, flags=re.MULTILINE
    )
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", code],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{code}\n{done.stderr or done.stdout}"


def run_block(block: Block, page: Path, folder: Path, names: dict[str, Any], servers: dict[str, str]) -> None:
    code = commands_of(block) if block.language in ("bash", "console") else block.code
    for told, real in servers.items():
        code = code.replace(told, real)
    if block.language in ("bash", "console"):
        run_shell(code, folder)
    elif block.language == "python":
        with contextlib.redirect_stdout(None):
            # Lines count as in the page.
            exec(compile("\n" * (block.line - 1) + code, str(page), "exec"), names)  # noqa: S102
    elif block.language == "toml":
        (folder / "config.toml").write_text(code)
        run_shell("llmdit config --check config.toml", folder)


@pytest.mark.parametrize("page", pages_with("bash", "console", "python", "toml"))
def test_page(
    page: Path,
    folder: Path,
    demo_pipe: llmdit.ZImagePipeline,
    servers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    names = {"llmdit": llmdit, "torch": torch, "np": np, "path": "Z-Image-Turbo", "pipe": demo_pipe}
    left_out = []
    with torch.enable_grad():
        for block in blocks_of(page):
            if block.left_out:
                left_out.append(f"{page.name}:{block.line}: {block.left_out}")
            else:
                run_block(block, page, folder, names, servers)
    if left_out:
        pytest.skip("the other blocks passed; left out: " + "; ".join(left_out))


def test_every_block_is_of_a_known_kind() -> None:
    known = NOT_CODE | {"bash", "console", "python", "toml", "c", "cpp", "cmake", "{toctree}"}
    for page in PAGES:
        for block in blocks_of(page):
            assert block.language in known, f"{page.name}:{block.line}: {block.language}"


def blocks_in(language: str) -> list[tuple[str, Block]]:
    return [(page.name, block) for page in PAGES for block in blocks_of(page) if block.language == language]


def test_cpp(tmp_path: Path) -> None:
    """All blocks in one go: what takes the time are torch's headers."""
    torch_headers = Path(torch.__file__).parent / "include"
    source = tmp_path / "blocks.cpp"
    source.write_text(one_program(blocks_in("cpp")))
    compiler = shutil.which("c++") or pytest.skip("no C++ compiler")
    headers = (ROOT / "include", torch_headers, torch_headers / "torch/csrc/api/include")
    command_line = [compiler, "-std=c++20", "-fsyntax-only", *(f"-I{folder}" for folder in headers), str(source)]
    done = subprocess.run(command_line, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


def test_c(tmp_path: Path) -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    for page, block in blocks_in("c"):
        source = tmp_path / "block.c"
        source.write_text(f'#line {block.line} "{page}"\n{block.code}\n')
        flags = ["-std=c99", "-pedantic", "-Wall", "-Werror", "-fsyntax-only", f"-I{ROOT / 'capi'}"]
        done = subprocess.run([compiler, *flags, str(source)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
