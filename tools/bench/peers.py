"""The tools that llmdit is measured against, in an environment of their own beside the models.

python -m tools.bench.peers --work /tmp/bench
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path

# What stable-diffusion.cpp fixes to the numbers of the published model is taken from the file: how many main layers the
# transformer has, and which layer of the encoder is the last but one. Nothing else is changed.
SD_LAYERS = (
    "            z_image = ZImageModel(z_image_params);\n",
    """\
            int64_t layers = 0;
            while (tensor_storage_map.find(prefix + ".layers." + std::to_string(layers) + ".attention_norm1.weight") !=
                   tensor_storage_map.end())
                layers++;
            if (layers > 0)
                z_image_params.num_layers = layers;
            z_image = ZImageModel(z_image_params);
""",
)
SD_ENCODER_LAYERS = (
    "out_layers                       = {35};",
    "out_layers                       = {static_cast<int>(llm->params.num_layers) - 1};",
)


@dataclass(frozen=True)
class Peer:
    """What pip installs."""

    packages: tuple[str, ...]
    cmake: str = ""
    """Options of those that PyPI has as source only."""
    edits: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of the sources, once unpacked: file, what stands there, what takes its place."""


# By what each is imported as. diffusers and transformers come with the project's own environment. The two that are
# built here are built for this processor, with their own defaults otherwise, less what only writes other kinds of file.
PEERS = {
    "openvino": Peer(("openvino", "nncf")),
    "stable_diffusion_cpp": Peer(
        ("stable-diffusion-cpp-python==0.4.7",),
        cmake="-DGGML_NATIVE=ON -DSD_WEBP=OFF -DSD_WEBM=OFF",
        edits={
            "vendor/stable-diffusion.cpp/src/z_image.hpp": SD_LAYERS,
            "vendor/stable-diffusion.cpp/src/conditioner.hpp": SD_ENCODER_LAYERS,
        },
    ),
    "llama_cpp": Peer(("llama-cpp-python==0.3.36",), cmake="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF"),
}


def folder(work: Path) -> Path:
    """The environment."""
    return work / "peers"


def site_packages(work: Path) -> Path:
    """Where its packages are."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return folder(work) / "lib" / version / "site-packages"


def activate(work: Path) -> None:
    """Makes its packages importable here, after the project's own: torch and numpy stay those that llmdit runs on."""
    path = str(site_packages(work))
    if path not in sys.path:
        sys.path.append(path)
    os.environ["LLMDIT_BENCH_PEERS"] = path  # for the worker processes, which start afresh


def activate_in_worker() -> None:
    """The same in a process that was started by one that did."""
    if path := os.environ.get("LLMDIT_BENCH_PEERS"):
        sys.path.append(path)


def missing(work: Path) -> list[str]:
    """Those that cannot be imported."""
    activate(work)
    return [name for name in PEERS if importlib.util.find_spec(name) is None]


def install(work: Path) -> dict[str, str]:
    """Installs what is missing; what failed, with the last line that was said."""
    if not (folder(work) / "bin/python").exists():
        venv.create(folder(work), with_pip=True)
    failed = {}
    for name in missing(work):
        print(f"installing {name}" + (", which takes minutes to build" if PEERS[name].cmake else ""), flush=True)
        try:
            install_peer(work, PEERS[name])
        except (subprocess.CalledProcessError, OSError, ValueError, tarfile.TarError) as error:
            said = getattr(error, "stderr", None) or str(error)
            failed[name] = (said.strip().splitlines() or ["no message"])[-1]
    importlib.invalidate_caches()
    return failed


def install_peer(work: Path, peer: Peer) -> None:
    """From PyPI, or from sources of it that have been changed; CMake comes from there too where there is none."""
    environment = dict(os.environ, CMAKE_ARGS=peer.cmake) if peer.cmake else dict(os.environ)
    if not peer.edits:
        pip(work, environment, "install", *peer.packages)
        return
    with tempfile.TemporaryDirectory(dir=work) as sources:
        pip(work, environment, "download", "--no-deps", "--no-binary", ":all:", "-d", sources, *peer.packages)
        (archive,) = Path(sources).glob("*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(sources, filter="data")
        unpacked = Path(sources) / archive.name.removesuffix(".tar.gz")
        for name, (old, new) in peer.edits.items():
            edit(unpacked / name, old, new)
        pip(work, environment, "install", str(unpacked))


def pip(work: Path, environment: dict[str, str], *arguments: str) -> None:
    """In the peers' environment."""
    command = [str(folder(work) / "bin/python"), "-m", "pip", "-q", *arguments]
    subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a passage that is there once."""
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{path.name} is not the file that the change was written for")
    path.write_text(text.replace(old, new), encoding="utf-8")


def main() -> None:
    """Installs them, and names those that could not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="the folder of python -m tools.bench")
    for name, reason in install(parser.parse_args().work).items():
        print(f"{name} could not be installed: {reason}")


if __name__ == "__main__":
    main()
