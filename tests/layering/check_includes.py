"""Checks the ranks of docs/architecture.md: code under src/ includes lower ranks only, public headers only std and
torch's tensor header, examples only the public headers, and the library does not print, exit or abort."""

import re
import sys
from pathlib import Path

RANKS = {
    "base": 0,
    "kernels": 1,
    "io": 2,
    "nn": 3,
    "text": 3,
    "conditioning": 3,
    "sampling": 3,
    "models": 4,
    "adapters": 4,
    "pipeline": 5,
    "remote": 5,
    "config": 6,
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
PUBLIC_TORCH = {"ATen/core/Tensor.h", "ATen/core/Generator.h"}
FORBIDDEN = re.compile(
    r"\b(std::cout|std::cerr|printf|fprintf|puts|std::exit|exit|abort|std::abort|assert|TORCH_CHECK)\s*[(<]"
)


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def check_source(path: Path, src: Path) -> list[str]:
    folder = path.relative_to(src).parts[0]
    if folder not in RANKS:
        return [f"{path}: folder {folder} has no rank; add it to {Path(__file__).name} and docs/architecture.md"]
    problems = []
    text = path.read_text(encoding="utf-8")
    for _, name in INCLUDE.findall(text):
        other = name.split("/")[0]
        if other in RANKS and other != folder and RANKS[other] >= RANKS[folder]:
            problems.append(f"{path}: includes {name}, of rank {RANKS[other]}, from rank {RANKS[folder]}")
    if match := FORBIDDEN.search(without_comments(text)):
        problems.append(f"{path}: library code must not print, exit or assert, found {match.group(0)}...")
    return problems


def check_public_header(path: Path) -> list[str]:
    problems = []
    text = path.read_text(encoding="utf-8")
    for kind in ("Tensor", "Generator"):
        used = re.search(rf"\bat::{kind}\b", without_comments(text))
        if used and f"#include <ATen/core/{kind}.h>" not in text:
            problems.append(f"{path}: uses at::{kind} and does not include ATen/core/{kind}.h")
    for bracket, name in INCLUDE.findall(text):
        own = bracket == '"' and name.startswith("llmdit/")
        std = bracket == "<" and "/" not in name and "." not in name
        if not (own or std or name in PUBLIC_TORCH):
            problems.append(f"{path}: public headers include std and torch's tensor header only, found {name}")
    return problems


def check_example(path: Path, src: Path) -> list[str]:
    internal = {folder.name for folder in src.iterdir() if folder.is_dir()}
    return [
        f"{path}: examples use the public headers only, found {name}"
        for bracket, name in INCLUDE.findall(path.read_text(encoding="utf-8"))
        if bracket == '"' and name.split("/")[0] in internal and not (path.parent / name).exists()
    ]


def main() -> int:
    root = Path(sys.argv[1])
    src = root / "src"
    problems: list[str] = []
    for path in sorted(src.rglob("*.[ch]pp")):
        problems += check_source(path, src)
    for path in sorted((root / "include").rglob("*.hpp")):
        problems += check_public_header(path)
    for path in sorted((root / "examples").rglob("*.[ch]pp")):
        problems += check_example(path, src)
    print("\n".join(problems) or "layering holds")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
