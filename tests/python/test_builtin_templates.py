"""The built-in templates: their form, and that no two are alike."""

import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from command import ROOT, TEMPLATES
from llmdit import Template, load_template

CATEGORIES = {
    "3d",
    "abstract",
    "adventure",
    "aesthetic",
    "art",
    "atmosphere",
    "character",
    "creative",
    "experimental",
    "fantasy",
    "fusion",
    "game",
    "general",
    "horror",
    "liminal",
    "photography",
    "rewriter",
    "scientific",
    "scifi",
    "spiritual",
    "structured",
    "style",
    "technical",
    "text",
    "wacky",
    "weirdcore",
    "western",
}
# Measured over all pairs; an essay with its nouns changed lies far above.
ALIKE_WORDS, ALIKE_TRIPLES, ALIKE_DESCRIPTIONS = 0.30, 0.04, 0.40
# What says nothing that can be seen; the first is told to be dropped by a rewriter.
EMPTY_PRAISE = r"masterpiece|\b8k\b|trending|award.winning|stunning|highly detailed|best quality|hyper.?realistic"


@cache
def templates() -> list[Template]:
    return [load_template(path) for path in sorted(TEMPLATES.rglob("*.md"))]


def words(text: str) -> list[str]:
    return re.findall(r"[\w'’-]+", text.lower())


def triples(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return set(zip(found, found[1:], found[2:], strict=False))


def likeness(a: set, b: set) -> float:
    return len(a & b) / len(a | b)


def most_alike(parts: dict[str, set]) -> tuple[float, str, str]:
    return max((likeness(parts[a], parts[b]), a, b) for a, b in combinations(parts, 2))


def test_there_are_enough():
    counts = Counter(entry.category for entry in templates())
    assert set(counts) == CATEGORIES
    assert sum(counts.values()) - counts["rewriter"] >= 160 and counts["rewriter"] >= 10
    assert sum(path.stat().st_size for path in TEMPLATES.rglob("*")) < 600_000
    assert {path.suffix for path in TEMPLATES.rglob("*") if path.is_file()} == {".md"}


@pytest.mark.parametrize("entry", templates(), ids=lambda entry: entry.name)
def test_form(entry):
    path = Path(entry.path)
    assert path.relative_to(TEMPLATES).parts == (entry.category, f"{entry.name}.md")
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.name)
    assert 40 <= len(entry.description) <= 130 and "\n" not in entry.description
    assert entry.description[0].isupper() and entry.description[-1] not in ".!"
    assert 60 <= len(entry.system_prompt.split()) <= 200
    assert entry.system_prompt[-1] in ".?!"
    assert not entry.add_think_block and not entry.thinking_content and not entry.assistant_content
    assert not entry.metadata
    praise = re.search(EMPTY_PRAISE, entry.system_prompt, re.IGNORECASE)
    assert not praise or entry.name == "tidy-only"


@pytest.mark.parametrize("entry", templates(), ids=lambda entry: entry.name)
def test_file(entry):
    text = Path(entry.path).read_bytes().decode("utf-8")
    assert text.startswith(f"---\nname: {entry.name}\ndescription: ") and text.count("\n---\n") == 1
    assert text.endswith(f"\n{entry.system_prompt.splitlines()[-1]}\n")
    assert not re.search(r"[ \t]$|\t|\r|  |\n\n\n|[“”‘’–—…\u00a0]", text, re.MULTILINE)


def test_names_and_descriptions_are_unique():
    assert len({entry.name for entry in templates()}) == len(templates())
    assert len({entry.description for entry in templates()}) == len(templates())
    openings = Counter(tuple(words(entry.system_prompt)[:3]) for entry in templates())
    assert openings.most_common(1)[0][1] <= 2


def test_no_two_are_alike():
    assert most_alike({entry.name: set(words(entry.system_prompt)) for entry in templates()})[0] < ALIKE_WORDS
    assert most_alike({entry.name: triples(entry.system_prompt) for entry in templates()})[0] < ALIKE_TRIPLES
    assert most_alike({entry.name: set(words(entry.description)) for entry in templates()})[0] < ALIKE_DESCRIPTIONS


def test_the_page_lists_the_categories_with_their_counts():
    page = (ROOT / "docs/templates.md").read_text(encoding="utf-8")
    told = {name: int(count) for name, count in re.findall(r"^\| `([a-z0-9]+)` \| (\d+) \|", page, re.MULTILINE)}
    assert told == Counter(entry.category for entry in templates())
    assert f"{len(templates())} templates" in page
