"""Where `llmdit` writes: places that cannot be written are found before the work, links are written through."""

import os
import stat
import subprocess

import pytest
from command import DEMO_MODEL, FAST, LLMDIT, NOT_FOUND, USAGE, environment, files_in, llmdit
from PIL import Image

LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "a", "--steps", "10000", "-o", "{bad}.png"],
        ["generate", "a", "--steps", "10000", "--preview", "{bad}.png"],
        ["sweep", "a", "--steps", "10000", "--over", "seed=1,2", "-o", "{bad}.png"],
        ["encode", "a", "-o", "{bad}.safetensors"],
        ["encode", "--statistics", "{bad}.npz"],
        ["convert", str(DEMO_MODEL / "vae"), "{bad}.safetensors"],
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
@pytest.mark.parametrize("bad", ["/proc/a", LONG, "file/a", "loop/a"])
def test_places_that_cannot_be_written_are_found_before_the_work(tmp_path, arguments, bad):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    done = llmdit(*[argument.format(bad=bad) for argument in arguments], cwd=tmp_path)
    assert done.returncode == NOT_FOUND and "cannot write" in done.stderr, done.stderr
    assert "step" not in done.stderr and files_in(tmp_path) == ["file", "loop"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "a.png").touch()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        done = llmdit("generate", "a", "--steps", 10000, "-o", "locked/a.png", cwd=tmp_path)
    finally:
        folder.chmod(stat.S_IRWXU)
    assert done.returncode == NOT_FOUND and "Permission denied" in done.stderr


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.png").symlink_to("there/b.png")  # which is not there yet
    done = llmdit("generate", "a", *FAST, "-o", "a.png", cwd=tmp_path)
    assert done.returncode == 0 and "replaced" not in done.stderr, done.stderr
    assert (tmp_path / "a.png").is_symlink() and not (tmp_path / "there" / "b.png").is_symlink()
    assert Image.open(tmp_path / "there" / "b.png").size == (128, 128)
    done = llmdit("generate", "a", *FAST, "-o", "a.png", cwd=tmp_path)
    assert "replaced the file a.png" in done.stderr and (tmp_path / "a.png").is_symlink()


def test_a_link_into_nowhere_is_refused_before_the_work(tmp_path):
    (tmp_path / "a.png").symlink_to("/proc/nowhere/b.png")
    done = llmdit("generate", "a", "--steps", 10000, "-o", "a.png", cwd=tmp_path)
    assert done.returncode == NOT_FOUND and "cannot write a.png" in done.stderr


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    reader = subprocess.Popen(["cat", tmp_path / "pipe.png"], stdout=subprocess.PIPE)
    done = llmdit("generate", "a", *FAST, "-o", "pipe.png", cwd=tmp_path)
    assert reader.communicate(timeout=60)[0].startswith(b"\x89PNG") and done.returncode == 0
    assert stat.S_ISFIFO((tmp_path / "pipe.png").stat().st_mode)


def test_embeddings_that_are_replaced_are_told(tmp_path):
    assert "replaced" not in llmdit("encode", "a", "-o", "a.safetensors", cwd=tmp_path).stderr
    assert "replaced the file a.safetensors" in llmdit("encode", "a", "-o", "a.safetensors", cwd=tmp_path).stderr
    done = llmdit("encode", "a", "-o", "-", cwd=tmp_path)
    assert done.returncode == USAGE and "not written to stdout" in done.stderr


def test_a_closed_stdout_is_found_before_the_work(tmp_path):
    for command in (f"generate a --steps 10000 -o {tmp_path}/a.png", "format a", "devices"):
        done = subprocess.run(
            ["bash", "-c", f"'{LLMDIT}' {command} >&-"], env=environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == NOT_FOUND and "[stdout] cannot be written" in done.stderr, command
    assert files_in(tmp_path) == []
    quiet = subprocess.run(
        ["bash", "-c", f"'{LLMDIT}' format a 2>&-"], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert quiet.returncode == 0 and "tokens" in quiet.stdout
