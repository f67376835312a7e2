"""Every name of the public C++ headers has its row in capi/README.md, and every name in that table exists. Every
function of the C headers has a comment, and a test in C that calls it."""

import re
import sys
from pathlib import Path

TYPE = re.compile(r"^(?:class|struct|enum class)\s+(?:LLMDIT_EXPORT\s+)?(\w+)(?:\s+final)?\s*(?::[^;{]*)?\{", re.M)
FUNCTION = re.compile(r"^(?:LLMDIT_EXPORT|template)[^;{=]*?\b(\w+)(?:<\w+>)?\(", re.M)
TABLE_NAMES = {"option_fields"}  # of every option struct, and none of its own
ROW = re.compile(r"^\|([^|]*)\|([^|]*)\|([^|]*)\|$", re.M)
NAME = re.compile(r"`(\w+)`")
C_FUNCTION = re.compile(r"^LLMDIT_(?:API|CHECKED)[^;]*?\b(llmdit_\w+)\([^;]*;(.*)$", re.M)


def names_of_header(header: Path) -> set[str]:
    text = re.sub(r"//[^\n]*", "", header.read_text(encoding="utf-8"))
    return {*TYPE.findall(text), *FUNCTION.findall(text)} - TABLE_NAMES


def check_c_functions(root: Path) -> list[str]:
    tests = "".join(path.read_text(encoding="utf-8") for path in (root / "tests/capi").glob("*.[ch]"))
    # The macro of llmdit_load is of llmdit_load_options_init_sized.
    called = {*re.findall(r"\b(llmdit_\w+)\(", tests)}
    called |= {f"{name}_options_init_sized" for name in re.findall(r"EXPECT_SIZED\((llmdit_\w+)\)", tests)}
    problems = []
    for path in sorted((root / "capi/llmdit_c").glob("*.h")):
        text = path.read_text(encoding="utf-8")
        for function in C_FUNCTION.finditer(text):
            if not text[: function.start()].rstrip().endswith("*/") and "/**<" not in function[2]:
                problems.append(f"{path.name}: {function[1]} has no comment")
            if function[1] not in called:
                problems.append(f"tests/capi: nothing calls {function[1]}")
    return problems


def main(root: Path) -> int:
    listed: dict[str, set[str]] = {}
    c_names: set[str] = set()
    header = ""
    for first, cpp, c in ROW.findall((root / "capi/README.md").read_text(encoding="utf-8")):
        header = first.strip() or header
        listed.setdefault(header, set()).update(NAME.findall(cpp))
        c_names.update(name for name in NAME.findall(c))
    problems = []
    for path in sorted((root / "include/llmdit").glob("*.hpp")):
        if path.name in ("llmdit.hpp", "export.hpp"):
            continue
        declared, rows = names_of_header(path), listed.get(path.name, set())
        problems += [f"{path.name}: {name} has no row in capi/README.md" for name in sorted(declared - rows)]
        problems += [f"capi/README.md: {path.name} has no {name}" for name in sorted(rows - declared)]
    known = set(re.findall(r"\w+", "".join(p.read_text(encoding="utf-8") for p in (root / "capi").rglob("*.h"))))
    problems += [f"capi/README.md: the C headers have no {name}" for name in sorted(c_names - known)]
    problems += check_c_functions(root)
    if problems:
        print("\n".join(problems))
    return int(bool(problems) or not listed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
