"""The C++ library exports names that its headers declare, and nothing else: no template of libtorch, no inner part."""

import re
import subprocess
import sys
from pathlib import Path

TABLES = re.compile(r"^(vtable|VTT|typeinfo|typeinfo name|guard variable|non-virtual thunk|virtual thunk) (for|to) ")


def words_of(headers: Path) -> set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in headers.rglob("*.hpp"))
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    return set(re.findall(r"\w+", text))


def path_of(symbol: str) -> list[str]:
    """["ZImagePipeline", "generate"] of a demangled "llmdit::ZImagePipeline::generate(...) const"."""
    name = TABLES.sub("", symbol)
    name = re.sub(r"\[abi:\w+\]", "", name)
    while "<" in name.split("(")[0]:
        shorter = re.sub(r"<[^<>]*>", "", name)
        if shorter == name:
            break
        name = shorter
    name = name.split("(")[0]
    # Of a template the type that it returns is told before its name.
    return name[name.rfind(" llmdit::") + 1 :].split("::")


def main(headers: Path, library: Path) -> int:
    words = words_of(headers)
    listing = subprocess.run(
        ["nm", "-DC", "--defined-only", library], check=True, capture_output=True, text=True
    ).stdout
    symbols = [line.split(maxsplit=2)[2] for line in listing.splitlines()]
    inside = []
    for symbol in symbols:
        space, *rest = path_of(symbol)
        declared = all(part.lstrip("~") in words or part.startswith("operator") for part in rest)
        if space != "llmdit" or not rest or not declared:
            inside.append(symbol)
    for symbol in inside:
        print(f"{symbol} is exported, but not declared in a public header")
    if not symbols:
        print("expected exported symbols, found none")
    return int(bool(inside) or not symbols)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
