"""The documentation site: `make docs` builds it into build/docs/html; every warning is an error."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/docs"
sys.path[:0] = [str(ROOT / "build/python"), str(ROOT / "docs")]

import docstrings  # noqa: E402
import reference_pages  # noqa: E402

project = "llmdit"
author = "the llmdit authors"
release = re.search(r"project\(llmdit VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]  # type: ignore[index]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "breathe"]
exclude_patterns = ["requirements.txt"]
myst_heading_anchors = 3
highlight_language = "text"

html_theme = "furo"
html_title = f"llmdit {release}"
html_show_sphinx = False
html_show_copyright = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures come from the option tables and pybind11

breathe_projects = {"cpp": str(BUILD / "doxygen/cpp/xml"), "c": str(BUILD / "doxygen/c/xml")}
breathe_default_project = "cpp"
breathe_default_members = ("members", "undoc-members")
breathe_domain_by_extension = {"h": "c", "hpp": "cpp"}
# Breathe opens the namespace anew for every header and tells typedefs of structs twice; `bytes` is Python's.
suppress_warnings = ["duplicate_declaration.c", "duplicate_declaration.cpp", "ref.python"]

_DOXYGEN = """
QUIET = YES
WARN_IF_UNDOCUMENTED = NO
WARN_AS_ERROR = FAIL_ON_WARNINGS
GENERATE_HTML = NO
GENERATE_LATEX = NO
GENERATE_XML = YES
XML_PROGRAMLISTING = NO
JAVADOC_AUTOBRIEF = YES
EXTRACT_ALL = YES
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = LLMDIT_EXPORT= LLMDIT_API= LLMDIT_CHECKED= LLMDIT_ENUM_TYPE=
EXCLUDE_SYMBOLS = detail std c10 at
"""
# No tags of HTML, and nothing that is private.
_CPP_FILTER = r"sed -e 's#\([^`]\)\(</*think>\)#\1\\\2#g' -e '/^ private:/,/^};/{/^};/!d}'"
_INPUTS = {
    "cpp": f'INPUT = {ROOT}/include/llmdit\nFILE_PATTERNS = *.hpp\nINPUT_FILTER = "{_CPP_FILTER}"\n',
    "c": f"INPUT = {ROOT}/capi/llmdit.h {ROOT}/capi/llmdit_c\nFILE_PATTERNS = *.h\nOPTIMIZE_OUTPUT_FOR_C = YES\n",
}


def write_reference(_app: object) -> None:
    """The pages of the reference, by docs/reference_pages.py."""
    import llmdit

    headers = {
        "cpp": reference_pages.header_names(ROOT / "include/llmdit", {"llmdit.hpp", "export.hpp"}),
        "c": reference_pages.header_names(ROOT / "capi/llmdit_c", set()),
    }
    names = {name: getattr(llmdit, name) for name in llmdit.__all__}
    names |= {f"vl.{name}": getattr(llmdit.vl, name) for name in llmdit.vl.__all__}
    reference_pages.write_pages(ROOT / "docs/reference", headers, names)


def run_doxygen(_app: object) -> None:
    """Reads the headers into XML, from which Breathe takes the references."""
    for name, inputs in _INPUTS.items():
        folder = BUILD / "doxygen" / name
        folder.mkdir(parents=True, exist_ok=True)
        settings = f"{_DOXYGEN}\nOUTPUT_DIRECTORY = {folder}\n{inputs}"
        subprocess.run(["doxygen", "-"], input=settings, text=True, check=True)


def link_sources(_app: object, _name: str, source: list[str]) -> None:
    """Files and folders outside of docs/ are named, not linked: the site does not hold them."""
    source[0] = re.sub(
        r"(?<!!)\[([^\]]+)\]\(\.\./[^)]*\)", lambda link: link[1] if "`" in link[1] else f"`{link[1]}`", source[0]
    )


def setup(app: object) -> None:
    app.connect("builder-inited", write_reference)  # type: ignore[attr-defined]
    app.connect("builder-inited", run_doxygen)  # type: ignore[attr-defined]
    app.connect("source-read", link_sources)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", docstrings.to_rst)  # type: ignore[attr-defined]
