"""What a run was measured on."""

import importlib.metadata
import platform
import re
from pathlib import Path
from typing import Any

# Of the processor's flags, those that decide which kernels run.
FEATURES = (
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
    "sve",
)
PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "safetensors",
    "accelerate",
    "numpy",
    "openvino",
    "nncf",
    "stable_diffusion_cpp_python",
    "llama_cpp_python",
)


def describe(threads: int) -> dict[str, Any]:
    """Processor, memory, threads and versions; nothing that tells whose machine it is."""
    import llmdit

    return {
        "processor": _processor(),
        "features": _features(),
        "memory_gb": round(_memory_bytes() / 1e9, 1),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), "llmdit": llmdit.__version__}
        | {name: version for name in PACKAGES if (version := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None  # a peer that is not installed


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text() if file.exists() else ""


def _processor() -> str:
    text = _read("/proc/cpuinfo")
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    codes = [re.search(rf"^{key}\s*:\s*(\d+)$", text, re.MULTILINE) for key in ("cpu family", "model")]
    model = f" (family {codes[0][1]}, model {codes[1][1]})" if codes[0] and codes[1] else ""
    return (name[1] if name else platform.processor() or "unknown") + model


def _features() -> list[str]:
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    present = set(flags[1].split()) if flags else set()
    return [name for name in FEATURES if name in present]


def _memory_bytes() -> int:
    total = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return int(total[1]) * 1024 if total else 0
