"""What `cmake --install` leaves is enough to build on, from wherever its folder is moved to."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from doc_blocks import blocks_of
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CONSUMER = ROOT / "tests/consumer"
CMAKE = shutil.which("cmake")
LISTING = Path(__file__).with_name("wheel_files.txt")

# Nothing of this repository, nor of the shell that the tests were started from.
CLEAN = {name: os.environ[name] for name in ("PATH", "OMP_WAIT_POLICY") if name in os.environ} | {"CCACHE_DISABLE": "1"}


def run(command: list[object], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**CLEAN, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was moved after it was made, into a path with a space."""
    if not CMAKE or not (BUILD / "cmake_install.cmake").exists():
        pytest.fail("expected cmake and a build in build/; run make build")
    folder = tmp_path_factory.mktemp("installation")
    run([CMAKE, "--install", BUILD, "--prefix", folder / "first"], folder)
    return (folder / "first").rename(folder / "moved here")


@pytest.fixture(scope="module")
def consumer(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build of a project that knows the installation alone."""
    folder = tmp_path_factory.mktemp("consumer")
    run([CMAKE, "-S", CONSUMER, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCOMPONENTS=cxx;c"], folder)
    run([CMAKE, "--build", folder], folder)
    return folder


@pytest.fixture(scope="module")
def plain_c(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C program, built by cc and pkg-config."""
    folder = tmp_path_factory.mktemp("plain")
    search = {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    flags = run(["pkg-config", "--cflags", "--libs", "llmdit-c"], folder, **search)
    library = run(["pkg-config", "--variable=libdir", "llmdit-c"], folder, **search).strip().replace("\\ ", " ")
    command = f'cc -std=c99 -Wall -Werror "{CONSUMER}/picture.c" {flags.strip()} -Wl,-rpath,"{library}" -o picture'
    run(["sh", "-c", command], folder)
    return folder / "picture"


def test_pkg_config_serves_cpp(prefix: Path, tmp_path: Path):
    """Flags alone: the headers of libtorch, which take the time, are only looked for."""
    search = {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    (tmp_path / "app.cpp").write_text(
        "#include <cstdio>\n#include <llmdit/version.hpp>\n"
        "#if !__has_include(<ATen/core/Tensor.h>) || !__has_include(<llmdit/llmdit.hpp>)\n#error headers\n#endif\n"
        "int main() { std::puts(llmdit::version().data()); }\n"
    )
    flags = run(["pkg-config", "--cflags", "--libs", "llmdit"], tmp_path, **search).strip()
    library = run(["pkg-config", "--variable=libdir", "llmdit"], tmp_path, **search).strip().replace("\\ ", " ")
    run(["sh", "-c", f'c++ -std=c++20 app.cpp {flags} -Wl,-rpath,"{library}" -o app'], tmp_path)
    version = run(["pkg-config", "--modversion", "llmdit"], tmp_path, **search)
    assert run([tmp_path / "app"], tmp_path) == version


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_programs_draw_the_same_with_data_of_the_installation(
    prefix: Path, consumer: Path, plain_c: Path, tmp_path: Path
):
    drawn = {}
    for name, program in (("C++", consumer / "picture"), ("C", consumer / "picture_c"), ("cc", plain_c)):
        model = run([program, tmp_path / f"{name}.png"], tmp_path).strip()
        assert model == str(prefix / "share/llmdit/demo_model"), name
        drawn[name] = pixels(tmp_path / f"{name}.png")
    command = [
        "generate",
        "a red circle",
        "--steps",
        4,
        "--seed",
        1,
        "--template",
        "low-poly-facets",
        "-o",
        "cli.png",
    ]
    run([prefix / "bin/llmdit", *command], tmp_path)
    drawn["command"] = pixels(tmp_path / "cli.png")
    assert drawn["C++"].std() > 10
    for name, picture in drawn.items():
        assert np.array_equal(picture, drawn["C++"]), name


def test_libraries_are_those_of_the_installation(prefix: Path, consumer: Path):
    for program, names in (
        (prefix / "bin/llmdit", {"libllmdit"}),
        (consumer / "picture_c", {"libllmdit", "libllmdit_c"}),
    ):
        listing = run(["ldd", program], prefix)
        loaded = dict(re.findall(r"(libllmdit\w*)\.so\S* => (.*) \(", listing))
        assert set(loaded) == names
        assert all(Path(path).is_relative_to(prefix) for path in loaded.values()), listing
        assert "not found" not in listing


def test_sonames_carry_the_version_of_the_interface(prefix: Path):
    major, minor, _ = run([prefix / "bin/llmdit", "--version"], prefix).split()[1].split(".")
    abi = re.search(r"#define LLMDIT_ABI_VERSION (\d+)", (prefix / "include/llmdit_c/base.h").read_text())[1]
    for name, version in (("libllmdit.so", f"{major}.{minor}"), ("libllmdit_c.so", abi)):
        dynamic = run(["readelf", "-d", prefix / "lib" / name], prefix)
        assert f"[{name}.{version}]" in re.search(r"SONAME.*", dynamic)[0]


def test_command_brings_manual_and_completion(prefix: Path):
    for name in ("man/man1/llmdit.1", "bash-completion/completions/llmdit", "zsh/site-functions/_llmdit"):
        assert (prefix / "share" / name).stat().st_size > 1000, name


def configure(prefix: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [CMAKE, "-S", CONSUMER, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}", *arguments]
    return subprocess.run([str(part) for part in command], env=CLEAN, capture_output=True, text=True)


def test_c_needs_no_libtorch(prefix: Path, tmp_path: Path):
    nowhere = ["-DCOMPONENTS=c", "-DPython_EXECUTABLE=/bin/false"]
    done = configure(prefix, tmp_path, *nowhere)
    assert done.returncode == 0, done.stderr


def fake_torch(folder: Path, version: str) -> Path:
    """Headers of another libtorch."""
    (folder / "include/ATen/core").mkdir(parents=True)
    (folder / "include/ATen/core/Tensor.h").touch()
    (folder / "include/torch/headeronly").mkdir(parents=True)
    names = zip(("MAJOR", "MINOR", "PATCH"), version.split("."))
    lines = [f"#define TORCH_VERSION_{name} {number}" for name, number in names]
    (folder / "include/torch/headeronly/version.h").write_text("\n".join(lines) + "\n")
    return folder


def test_another_libtorch_is_refused(prefix: Path, tmp_path: Path):
    other = fake_torch(tmp_path / "torch", "2.1.0")
    done = configure(f"{prefix};{other}", tmp_path / "build", "-DCOMPONENTS=cxx")
    assert done.returncode != 0
    words = " ".join(done.stderr.split())
    assert f"expected libtorch {torch.__version__.split('+')[0]}" in words and "got '2.1.0'" in words


def test_an_unknown_component_is_refused(prefix: Path, tmp_path: Path):
    done = configure(prefix, tmp_path, "-DCOMPONENTS=fortran")
    assert done.returncode != 0 and "expected the components cxx and c, got fortran" in " ".join(done.stderr.split())


def test_cmake_blocks_of_the_pages_configure(prefix: Path, tmp_path: Path):
    """One program for each: what is told of find_package and its targets holds."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [block.code for page in pages for block in blocks_of(page) if block.language == "cmake"]
    assert len(blocks) >= 2
    (tmp_path / "main.cpp").touch()
    parts = ["cmake_minimum_required(VERSION 3.24)", "project(pages CXX)"]
    for code in blocks:
        program = re.search(r"target_link_libraries\((\w+)", code)[1]
        parts += [f"add_executable({program} main.cpp)", code]
    (tmp_path / "CMakeLists.txt").write_text("\n".join(parts))
    run([CMAKE, "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"], tmp_path)


def wheel_components() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text()
    return json.loads(re.search(r"^install\.components = (\[.*\])", text, re.MULTILINE)[1])


def test_wheel_holds_what_it_should(tmp_path: Path):
    """A wheel is these components under llmdit/, and the Python files. wheel_files.txt lists them without the data."""
    for component in wheel_components():
        run([CMAKE, "--install", BUILD, "--prefix", tmp_path, "--component", component], tmp_path)
    files = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert not [path for path in files if path.is_symlink()], "a wheel would hold a copy for each"
    names = {path.relative_to(tmp_path).as_posix() for path in files}
    data = {name for name in names if name.startswith("share/llmdit/")}
    for folder, place in (("examples/demo_model", "demo_model"), ("templates", "templates")):
        committed = {
            path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()
        }
        assert {f"share/llmdit/{place}/{name}" for name in committed} <= data
    headers = {f"include/llmdit/{path.name}" for path in (ROOT / "include/llmdit").glob("*.hpp")}
    assert headers <= names
    suffix = re.escape(".cpython") + r"-\w+-[\w-]+"
    rest = sorted(
        re.sub(suffix, "", name)
        for name in names - data - headers
        if not name.startswith(("share/man", "share/bash-completion", "share/zsh", "share/fish"))
    )
    assert rest == LISTING.read_text().split()


def test_another_torch_is_refused_by_name():
    wanted = torch.__version__.split("+")[0]
    code = "import torch; torch.__version__ = '2.1.0+cpu'; import llmdit"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert (
        f"ImportError: llmdit was built for torch {wanted}, and this is torch 2.1.0+cpu: pip install torch=={wanted}"
        in done.stderr
    )


def test_command_of_a_wheel_starts_without_importing_the_package(prefix: Path, tmp_path: Path):
    shutil.copytree(prefix, tmp_path / "llmdit", symlinks=True)
    (tmp_path / "llmdit/__init__.py").write_text("raise SystemExit('imported')\n")
    launcher = [sys.executable, ROOT / "python/command/llmdit"]
    assert run([*launcher, "--version"], tmp_path, PYTHONPATH=str(tmp_path)).startswith("llmdit ")
    (tmp_path / "llmdit/bin/llmdit").unlink()
    done = subprocess.run(
        [*launcher, "--version"], env={**CLEAN, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "expected the command in the package llmdit" in done.stderr
