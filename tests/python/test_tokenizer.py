"""Token ids and decoded text against `tokenizers` and `sentencepiece`: generated texts, and every code point."""

import functools
import json
import lzma
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gguf
import gguf_tokenizer
import llmdit
import numpy as np
import pytest
import sentencepiece
import tokenizer_corpus
from tokenizers import AddedToken, Tokenizer

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
DEMO = ROOT / "examples" / "demo_model" / "tokenizer" / "tokenizer.json"


def unpacked_qwen3(folder: Path) -> Path:
    path = folder / "tokenizer.json"
    path.write_bytes(lzma.decompress((GOLDEN / "qwen3_tokenizer.json.xz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    """The file, and the reference's tokenizer of it."""
    path = unpacked_qwen3(tmp_path_factory.mktemp("qwen3"))
    return path, Tokenizer.from_file(str(path))


@pytest.fixture(scope="module", params=["demo", "qwen3", "qwen3 in GGUF"])
def pair(request, qwen3, tmp_path_factory):
    """Our tokenizer and the reference's, of the same data."""
    path, reference = (DEMO, Tokenizer.from_file(str(DEMO))) if request.param == "demo" else qwen3
    if request.param == "qwen3 in GGUF":
        data = json.loads(path.read_text(encoding="utf-8"))
        path = gguf_tokenizer.write(tmp_path_factory.mktemp("tokenizer") / "encoder.gguf", data)
    return llmdit.Tokenizer.from_pretrained(path), reference


def as_text(text: str | bytes) -> str:
    """What the reference can be given."""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def reference_ids(reference: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]


def assert_same_ids(pair, texts: list[str | bytes]) -> None:
    ours, reference = pair
    for text, want in zip(texts, reference_ids(reference, [as_text(text) for text in texts]), strict=True):
        assert ours.encode(text) == want, repr(text)


# Tokenizers cut a text at this before they do anything else: what stands between two of them is a text of its own.
APART = "<|im_end|>"


def joined_points(template: str, points: range) -> str:
    return APART.join(template.format(chr(c)) for c in points)


@functools.cache  # two of the pairs have one reference
def reference_ids_of_points(reference: Tokenizer, template: str, points: range) -> np.ndarray:
    ids = np.array(reference.encode(joined_points(template, points), add_special_tokens=False).ids, dtype=np.uint32)
    assert (ids == reference.token_to_id(APART)).sum() == len(points) - 1
    return ids


def assert_same_ids_of_points(pair, template: str, *ranges: tuple[int, int]) -> None:
    """Every code point of the ranges in the template; a thousand to a call, as most of the time are calls."""
    ours, reference = pair
    for low, high in ranges:
        for start in range(low, high, 1000):
            points = range(start, min(start + 1000, high))
            joined = joined_points(template, points)
            if not np.array_equal(ours.encode(joined), reference_ids_of_points(reference, template, points)):
                assert_same_ids(pair, joined.split(APART))  # names the one
                pytest.fail(f"texts from U+{start:04X} have other ids together than alone")


def assert_same_text(pair, ids: list[list[int]]) -> None:
    ours, reference = pair
    for skip in (False, True):
        wanted = reference.decode_batch(ids, skip_special_tokens=skip)
        for one, want in zip(ids, wanted, strict=True):
            assert ours.decode(one, skip_special_tokens=skip) == want, (one, skip)


@pytest.fixture(scope="module")
def corpus() -> list[tuple[str, str | bytes]]:
    texts = list(tokenizer_corpus.corpus())
    assert len(texts) > 5000
    return texts


@pytest.mark.parametrize("kind", ["fixed", *tokenizer_corpus.KINDS])
def test_ids_of_the_corpus(pair, corpus, kind):
    assert_same_ids(pair, [text for text_kind, text in corpus if text_kind == kind])


def test_ids_of_every_code_point(pair):
    assert_same_ids_of_points(pair, "{0}", *tokenizer_corpus.CODE_POINTS)


@pytest.mark.parametrize(
    "template",
    ["a{0}b {0}{0}'{0}x1{0} \n{0}", "e\u0316{0}\u0301{0}\u0334{0}\u0345"],
    ids=["among letters", "among marks"],
)
def test_ids_of_every_assigned_code_point_among_others(pair, template):
    """A category shows in how the neighbours are split, a mark's class in how NFC orders it."""
    assert_same_ids_of_points(pair, template, (0, 0xD800), (0xE000, 0x33500), (0xE0000, 0xE0200))


@pytest.mark.parametrize("name", [name for name, _ in tokenizer_corpus.long_texts(0)])
def test_ids_of_long_texts(pair, name):
    assert_same_ids(pair, [dict(tokenizer_corpus.long_texts())[name]])


def test_decoding_the_corpus(pair, corpus):
    ours, _ = pair
    assert_same_text(pair, [ours.encode(text) for _, text in corpus])


def test_decoding_random_ids(pair):
    rng = random.Random(tokenizer_corpus.SEED)
    size = pair[1].get_vocab_size() + 300  # the model has more rows than the tokenizer has tokens
    assert_same_text(pair, [[rng.randrange(size) for _ in range(rng.randint(1, 12))] for _ in range(5000)])


def test_every_token(pair):
    ours, reference = pair
    vocabulary = reference.get_vocab()
    assert ours.vocab_size == len(ours) == max(vocabulary.values()) + 1
    assert all(ours.token_to_id(token) == index for token, index in vocabulary.items())
    assert_same_text(pair, [[index] for index in range(len(ours) + 10)])
    for index in range(len(ours)):
        assert ours.id_to_token(index).decode("utf-8", "replace") == ours.decode([index])


def test_bytes_and_str_are_the_same_text(pair):
    ours, _ = pair
    for text in tokenizer_corpus.SENTENCES:
        assert ours.encode(text.encode()) == ours.encode(text)


def test_threads_share_a_tokenizer(pair, corpus):
    ours, _ = pair
    texts = [text for _, text in corpus[:400]]
    alone = [ours.encode(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(lambda _: [ours.encode(text) for text in texts], range(8)):
            assert together == alone


def changed_demo(folder: Path, change) -> tuple[llmdit.Tokenizer, Tokenizer]:
    """Both tokenizers of the demo file after `change` of its JSON."""
    content = json.loads(DEMO.read_text(encoding="utf-8"))
    change(content)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return llmdit.Tokenizer.from_pretrained(path), Tokenizer.from_file(str(path))


def set_merge_strings(content):
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]


def set_ignore_merges(content):
    content["model"]["ignore_merges"] = True


def drop_normalizer(content):
    content["normalizer"] = None


def set_byte_level_split(content):
    content["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def set_o200k_split(content):
    content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


def set_partial_split(content):
    content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\p{P}+|\d{2}|[a-c]*|\p{S}|\p{M}"


@pytest.mark.parametrize(
    "change",
    [set_merge_strings, set_ignore_merges, drop_normalizer, set_byte_level_split, set_o200k_split, set_partial_split],
)
def test_other_settings_of_the_file(tmp_path, corpus, change):
    pair = changed_demo(tmp_path, change)
    assert_same_ids(pair, [text for _, text in corpus])
    assert_same_ids_of_points(pair, "a{0}B {0}1", (0, 0xD800), (0xE000, 0x20000))


def test_added_tokens_with_flags(tmp_path, corpus):
    """Stripping, normalised and overlapping tokens, given in the order of their ids."""

    def add(content):
        flags = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
        for token in [
            AddedToken("<mask>", lstrip=True, rstrip=False, normalized=False),
            AddedToken("[r]", lstrip=False, rstrip=True, normalized=False),
            AddedToken("caf\u00e9", normalized=True),
            AddedToken("e\u0301t\u0301", normalized=True),
            AddedToken("a b", normalized=True, rstrip=True, lstrip=True),
            AddedToken("<|im_", normalized=False),
            AddedToken("<|im_start|>x", normalized=False),
            AddedToken("\u0283", normalized=False),
        ]:
            index = content["added_tokens"][-1]["id"] + 1
            content["added_tokens"].append({"id": index, **{flag: getattr(token, flag) for flag in flags}})

    pair = changed_demo(tmp_path, add)
    parts = "<mask> [r] caf\u00e9 cafe\u0301 \u00e9t\u0301 a b word x \u0283 \u00df \u0301".split()
    parts += ["<|im_start|>", "<|im_", "<|im_end|>", "a b", " b", " ", "\n", "\u3000", "\u2003", "\x1c"]
    rng = random.Random(tokenizer_corpus.SEED)
    texts = ["".join(rng.choices(parts, k=rng.randint(1, 10))) for _ in range(4000)]
    assert_same_ids(pair, texts + [text for _, text in corpus])
    ids = reference_ids(pair[1], texts)
    assert_same_text(pair, ids)


def test_sentencepiece(corpus):
    path = GOLDEN / "sentencepiece.model"
    ours = llmdit.Tokenizer.from_pretrained(path)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    for _, text in corpus:
        ids = reference.encode(as_text(text))
        assert ours.encode(text) == ids, repr(text)
        assert ours.decode(ids) == reference.decode(ids), repr(text)
    assert ours.vocab_size == reference.get_piece_size()


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        llmdit.Tokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(llmdit.Error, match=r"tokenizer\.json.*model"):
        llmdit.Tokenizer.from_pretrained(tmp_path)


def small_gguf(folder: Path, change=lambda writer: None) -> Path:
    vocabulary = {"a": 0, "b": 1, "ab": 2}
    added = [{"id": 3, "content": "<x>", "special": True}, {"id": 4, "content": "<y>", "special": False}]
    content = {"model": {"vocab": vocabulary, "merges": ["a b"]}, "added_tokens": added}
    return gguf_tokenizer.write(folder / "small.gguf", content, change)


def replace_value(key, value, kind, element=None):
    return lambda writer: writer.kv_data[0].update(
        {f"tokenizer.ggml.{key}": gguf.GGUFValue(value=value, type=kind, sub_type=element)}
    )


def test_a_small_tokenizer_in_gguf(tmp_path):
    tokenizer = llmdit.Tokenizer.from_pretrained(small_gguf(tmp_path))
    assert tokenizer.encode("ab<x>b<y>a") == [2, 3, 1, 4, 0]
    assert tokenizer.decode([2, 3, 1, 4, 9], skip_special_tokens=True) == "abb<y>"
    assert tokenizer.vocab_size == 5 and tokenizer.token_to_id("[PAD5]") is None


GgufKind = gguf.GGUFValueType
REFUSED_GGUF = {
    "another algorithm": ("model", "llama", GgufKind.STRING),
    "another pattern": ("pre", "llama-bpe", GgufKind.STRING),
    "a token before each text": ("add_bos_token", True, GgufKind.BOOL),
    "types for other tokens": ("token_type", [1, 1], GgufKind.ARRAY, GgufKind.INT32),
    "types in words": ("token_type", ["1"] * 9, GgufKind.ARRAY, GgufKind.STRING),
    "a type that says nothing": ("token_type", [1, 1, 1, 3, 4, 5, 5, 5, 6], GgufKind.ARRAY, GgufKind.INT32),
    "a token that is no list": ("tokens", "a", GgufKind.STRING),
    "an added token twice": ("tokens", ["a", "b", "ab", "<x>", "<x>", *"cdef"], GgufKind.ARRAY, GgufKind.STRING),
    "an empty added token": ("tokens", ["a", "b", "ab", "<x>", "", *"cdef"], GgufKind.ARRAY, GgufKind.STRING),
    "a merge of three": ("merges", ["a b c"], GgufKind.ARRAY, GgufKind.STRING),
    "a merge of one": ("merges", ["ab"], GgufKind.ARRAY, GgufKind.STRING),
}


@pytest.mark.parametrize("case", REFUSED_GGUF)
def test_gguf_tokenizers_that_are_refused(case, tmp_path):
    key, *value = REFUSED_GGUF[case]
    path = small_gguf(tmp_path, replace_value(key, *value))
    with pytest.raises(llmdit.Unsupported) as caught:
        llmdit.Tokenizer.from_pretrained(path)
    assert "small.gguf" in str(caught.value) and f"tokenizer.ggml.{key}" in str(caught.value)


@pytest.mark.parametrize("key", ["model", "pre", "tokens", "token_type", "merges"])
def test_gguf_files_without_a_whole_tokenizer(key, tmp_path):
    path = small_gguf(tmp_path, lambda writer: writer.kv_data[0].pop(f"tokenizer.ggml.{key}"))
    with pytest.raises(llmdit.Unsupported, match=f'tokenizer.ggml.{key}", got nothing'):
        llmdit.Tokenizer.from_pretrained(path)
