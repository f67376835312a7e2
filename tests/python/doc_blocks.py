"""The blocks of code in Markdown pages, and how each kind is tried.

A page's blocks run one after another in one folder, which holds what the pages speak of: `Z-Image-Turbo` and `model`
are the demo model, and a few pictures, LoRAs and weights have the names that stand in the pages. Python blocks of a
page share one namespace with `llmdit`, `torch`, `np`, `path` and `pipe`. Comments in a page, which readers do not
see, say what else a block needs:

    <!-- not run: WHY -->        stands before a block that is left out; shown by pytest as a skip
    <!-- slow: WHY -->           the same, but runs where LLMDIT_SLOW_DOCS is set
    <!-- before: bash
    touch a-file                 runs before the next block; python likewise
    -->
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\S*)\s*$")
_LEFT_OUT = re.compile(r"^<!-- (not run|slow): (.+) -->$")
_BEFORE = re.compile(r"^<!-- before: (bash|python)$")
_COMMANDS = (
    "llmdit ",
    "make ",
    "cmake ",
    "for ",
    "printf ",
    "source ",
    ".venv/",
    "python ",
    "cc ",
    "pip ",
    "tools/",
    "$ ",
)
NOT_CODE = {"", "text", "json", "yaml", "markdown", "mermaid"}


@dataclass(frozen=True)
class Block:
    language: str
    """bash, console (lines that begin with "$ " are commands), python, c, cpp, cmake, toml or what follows ```."""
    code: str
    line: int
    """Of its first line, from 1."""
    left_out: str = ""
    """Why it is not run."""


def blocks_of(page: Path) -> list[Block]:
    """Every block of a page in order, the hidden ones included."""
    lines = page.read_text(encoding="utf-8").split("\n")
    found: list[Block] = []
    left_out, index = "", 0
    while index < len(lines):
        line = lines[index]
        start = index + 1
        if fence := _FENCE.match(line):
            end = next(i for i in range(start, len(lines)) if lines[i].startswith("```"))
            found.append(Block(fence[1].lower(), "\n".join(lines[start:end]), start + 1, left_out))
            left_out, index = "", end + 1
        elif before := _BEFORE.match(line):
            end = lines.index("-->", start)
            found.append(Block(before[1], "\n".join(lines[start:end]), start + 1))
            index = end + 1
        elif line.startswith("    ") and not lines[index - 1].strip():
            end = index
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            code = "\n".join(text[4:] for text in lines[index:end]).rstrip()
            if code.startswith(_COMMANDS):
                found.append(Block("console" if code.startswith("$ ") else "bash", code, index + 1, left_out))
            left_out, index = "", end
        else:
            if told := _LEFT_OUT.match(line):
                left_out = "" if told[1] == "slow" and "LLMDIT_SLOW_DOCS" in os.environ else told[2]
            elif line.strip():
                left_out = ""
            index += 1
    return found


def commands_of(block: Block) -> str:
    """What a shell is to run of a bash or console block."""
    if block.language == "bash":
        return block.code
    return "\n".join(line[2:] for line in block.code.split("\n") if line.startswith("$ "))


def one_program(blocks: list[tuple[str, Block]]) -> str:
    """C++ blocks, each with its page, as one translation unit; programs and fragments have namespaces of their own."""
    program = ["#include <llmdit/llmdit.hpp>"]
    bodies = []
    for number, (page, block) in enumerate(blocks):
        includes = [line for line in block.code.split("\n") if line.startswith("#include")]
        rest = "\n".join("" if line.startswith("#include") else line for line in block.code.split("\n"))
        program += includes
        where = f'#line {block.line} "{page}"'
        if not re.search(r"^int main", rest, re.MULTILINE):
            rest = (
                "[[maybe_unused]] static void fragment([[maybe_unused]] llmdit::ZImagePipeline& pipe) {{\n"
                + where
                + "\n"
                + rest
                + "\n}}"
            )
            where = ""
        bodies.append(f"namespace block_{number} {{\n{where}\n{rest}\n}}")
    return "\n".join([*dict.fromkeys(program), *bodies, ""])
