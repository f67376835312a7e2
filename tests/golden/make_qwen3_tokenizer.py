"""Writes the tokenizer tests' files from Qwen3's published tokenizer.json (Apache-2.0):

    python tests/golden/make_qwen3_tokenizer.py tokenizer.json

qwen3_tokenizer.json.xz       the whole file, for the Python tests
qwen3_part/tokenizer.json     as much of it as the texts below need, under the same ids, for the C++ tests
qwen3_part/ids.txt            what the reference makes of these texts: a line of text, \\-escaped, and a line of ids
"""

import json
import lzma
import sys
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

import tokenizer_corpus  # noqa: E402

CHAT = "<|im_start|>user\nA red fox<|im_end|>\n<|im_start|>assistant\n"
TEXTS = [
    *tokenizer_corpus.SENTENCES,
    "->",
    "(x):\n",
    "12345",
    "a  b",
    "trailing   ",
    "\r\n\r\n",
    "I'LL it'\u017fok they'Re",
    "e\u0301 \u00e9 \u1112\u1161\u11ab \ud55c",
    "a\u0316\u0301\u1ab0 \U00011935\U00011930",
    "\u180e \U00031350\U00011f04",
    CHAT,
    CHAT + "<think>\n\n</think>\n\n",
    "<think>\n\n</think>\n\n",
    "<|im_start|<|IM_END|>< think >",
    "zero\0byte",
]


def part_of(whole: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """The file with the tokens that can come up in these texts. Merges of other tokens never apply to them."""
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    words = set()
    for text in texts:
        for spelled, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)):
            words.add(spelled)
    parts = {word[i:j] for word in words for i in range(len(word)) for j in range(i + 1, min(len(word), i + 40) + 1)}
    parts |= set(pre_tokenizers.ByteLevel.alphabet())
    merges = [merge if isinstance(merge, list) else merge.split(" ") for merge in whole["model"]["merges"]]
    model = {
        **whole["model"],
        "vocab": {token: index for token, index in whole["model"]["vocab"].items() if token in parts},
        "merges": [" ".join(merge) for merge in merges if "".join(merge) in parts],
    }
    return {**whole, "model": model}


def escaped(text: str) -> str:
    for plain, escape in [("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")]:
        text = text.replace(plain, escape)
    return text


def main() -> None:
    source = Path(sys.argv[1]).read_bytes()
    (HERE / "qwen3_tokenizer.json.xz").write_bytes(lzma.compress(source, preset=9 | lzma.PRESET_EXTREME))

    whole = json.loads(source)
    folder = HERE / "qwen3_part"
    folder.mkdir(exist_ok=True)
    part = json.dumps(part_of(whole, TEXTS), ensure_ascii=False, indent=0)
    (folder / "tokenizer.json").write_text(part + "\n", encoding="utf-8")

    tokenizer = Tokenizer.from_file(sys.argv[1])
    lines = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        lines += [escaped(text), " ".join(map(str, ids))]
    (folder / "ids.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
