"""The C library exports what its headers declare, and nothing else."""

import re
import subprocess
import sys
from pathlib import Path


def main(headers: Path, library: Path) -> int:
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted(headers.rglob("*.h")))
    text = re.sub(r"/\*.*?\*/", "", sources, flags=re.DOTALL)
    declared = set(re.findall(r"LLMDIT_(?:API|CHECKED)[^;{}#]*?\b(llmdit_\w+)\(", text))
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    exported = {line.split()[-1] for line in listing.splitlines()}
    for name in sorted(declared - exported):
        print(f"{name} is declared, but not exported")
    for name in sorted(exported - declared):
        print(f"{name} is exported, but not declared")
    return int(declared != exported or not declared)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
