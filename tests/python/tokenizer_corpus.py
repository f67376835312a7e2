"""Texts on which tokenizers tend to differ; the same on every machine."""

import random
from collections.abc import Callable, Iterator

SEED = 20260214


def hexadecimal(points: str) -> list[int]:
    return [int(point, 16) for point in points.split()]


SENTENCES = [
    "A photo of a red fox jumping over 12 frozen logs, 35mm, f/1.8 -- it's snowing; don't they've I'LL we'D you'RE",
    "un chaton très mignon près d'une fenêtre à Besançon, Œuvre n°7",
    "Ein süßes Kätzchen über den Straßen von Köln, ẞ und ß",
    "Рыжая лиса прыгает через ёлку, 1917 год — «зима»",
    "一只红色的狐狸在雪地里跳跃，背景是富士山，电影质感。",
    "雪の中で跳ぶ赤い狐、背景は富士山。カタカナ、ひらがな、ﾊﾝｶｸ",
    "눈 속에서 뛰어오르는 붉은 여우, 배경은 한라산",
    "ثعلب أحمر يقفز في الثلج، ٢٠٢٥ مَرْحَبًا",
    "שועל אדום קופץ בשלג, שָׁלוֹם",
    "बर्फ में कूदती लाल लोमड़ी, हिन्दी १२३",
    "তুষারে লাল শিয়াল, কো কৌ",
    "பனியில் குதிக்கும் சிவப்பு நரி, கொ",
    "หมาจิ้งจอกแดงกระโดดในหิมะ น้ำ ๑๒๓",
    "Αλεπού στο χιόνι, ΐ Ὦ ᾳ ᾧ",
    "Con cáo đỏ nhảy trong tuyết, Tiếng Việt: ấ ề ỗ ự",
    "წითელი მელა, Կարմիր աղվես, ቀይ ቀበሮ, ལྷ་ས, မြန်မာ",
    "def f(x):\n    return x['a'] -> {1: 2}\n\n\n# done\r\n\tif (x):\n\t\tpass",
    "https://example.org/a?b=c&d=%20#e user@example.org C:\\dir\\file.txt $3,141.59 100% 1e-5 0xFF",
    "a (red:1.4) cat, [blue|green], masterpiece, <lora:x:0.8>, BREAK, ((best quality))",
    "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇫🇷 ❤️ 1️⃣ ☃︎ 🦊❄️",
]

BLOCKS = [  # ranges of code points, not all assigned
    (0x00, 0x7F), (0x80, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
    (0x530, 0x5FF), (0x600, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0x10FF), (0x1100, 0x11FF),
    (0x1200, 0x17FF), (0x1800, 0x1AFF), (0x1B00, 0x1DFF), (0x1E00, 0x1FFF), (0x2000, 0x20FF), (0x2100, 0x23FF),
    (0x2400, 0x2BFF), (0x2C00, 0x2FFF), (0x3000, 0x30FF), (0x3100, 0x33FF), (0x4E00, 0x9FFF), (0xA000, 0xABFF),
    (0xAC00, 0xD7FF), (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFFFD), (0x10000, 0x10FFF), (0x11000, 0x11FFF),
    (0x12000, 0x16FFF), (0x1B000, 0x1CFFF), (0x1D000, 0x1DFFF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF),
    (0x20000, 0x20100), (0x2F800, 0x2FA1F), (0x30000, 0x32400), (0xE0000, 0xE01FF), (0xFFFF0, 0x10FFFF),
]  # fmt: skip

MARKS = hexadecimal("300 301 308 316 323 327 334 345 5B0 5B4 64B 651 93C 94D 9BE 9D7 E38 F71 F72 3099 309A 1D165 1D16D")
MARKS += hexadecimal("20D0 FE0F 200D 1ABF 8D3 11930 16FF0")
BLANKS = hexadecimal("20 20 20 09 0A 0A 0D 0B 0C 1C 1F 85 A0 1680 180E 2000 200A 200B 2028 2029 202F 205F 3000 FEFF")
JAMO = [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A7, 0x11C3), 0xAC00, 0xAC01, 0xB098, 0x115F, 0x1160]
PICTURES = hexadecimal("1F469 1F468 1F467 1F3FD 1F44D 1F3F3 1F308 2764 FE0F 200D 1F1E9 1F1EA 20E3 1FAE8 1FAE9 1FADF 31")
PICTURES += hexadecimal("E0067 E007F")
SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|vision_start|>", "<|image_pad|>",
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<think>", "</think>", "<tool_response>", "<|im_start|",
    "<|IM_END|>", "<|<|im_end|>|>", "< think >", "<think", "</think>>", "<<think>>", " <|im_end|> ",
    "\n<think>\n\n</think>\n\n",
]  # fmt: skip
ENGLISH = "the of and to in photo light 's 'S 'T 'll 'LL 've 'Re 'D 'm ' '' "
ENGLISH += "'\u017f 'l\u017f ain't it\u017f K\u212a (x): -> ,,, ... ---"
ASCII = "".join(map(chr, range(128)))


def points(rng: random.Random, source: list[int], size: int) -> str:
    return "".join(chr(rng.choice(source)) for _ in range(size))


def block_points(rng: random.Random, size: int) -> str:
    low, high = rng.choice(BLOCKS)
    drawn = (rng.randint(low, high) for _ in range(size))
    return "".join(chr(c) for c in drawn if not 0xD800 <= c < 0xE000)


def any_point(rng: random.Random) -> str:
    return block_points(rng, 1) or "x"


def mutated_sentence(rng: random.Random) -> str:
    text = list(rng.choice(SENTENCES))
    for _ in range(rng.randrange(6)):
        at = rng.randrange(len(text) + 1)
        text[at : at + rng.randrange(2)] = rng.choice([any_point(rng), points(rng, BLANKS, 2), points(rng, MARKS, 1)])
    return "".join(text)


def marked_letters(rng: random.Random) -> str:
    return "".join(any_point(rng) + points(rng, MARKS, rng.randrange(5)) for _ in range(rng.randint(1, 12)))


def blank_runs(rng: random.Random) -> str:
    words = ["a", "1", "-", "é", "", "''s", "字"]
    return "".join(points(rng, BLANKS, rng.randint(1, 9)) + rng.choice(words) for _ in range(rng.randint(1, 10)))


def contractions(rng: random.Random) -> str:
    words = ENGLISH.split(" ")
    return "".join(rng.choice(words) + rng.choice(["", "", " ", "\n"]) for _ in range(rng.randint(1, 20)))


def numbers(rng: random.Random) -> str:
    return "".join(rng.choice("0123456789.,-+eE %$²½Ⅷ٣१๔𝟘፩") for _ in range(rng.randint(1, 40)))


def special_tokens(rng: random.Random) -> str:
    parts = [
        rng.choice(SPECIALS) if rng.random() < 0.6 else mutated_sentence(rng)[:9] for _ in range(rng.randint(1, 12))
    ]
    return "".join(parts)


def broken_bytes(rng: random.Random) -> bytes:
    data = bytearray(mutated_sentence(rng).encode()[:80])
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(3)] = bytes(
            rng.choices([0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xE2, 0xED, 0xA0, 0xF0, 0xF4, 0xFF, 0], k=2)
        )
    return bytes(data[: len(data) - rng.randrange(3)])


KINDS: dict[str, Callable[[random.Random], str | bytes]] = {
    "sentences": mutated_sentence,
    "one block": lambda rng: block_points(rng, rng.randint(1, 60)),
    "all blocks": lambda rng: "".join(any_point(rng) for _ in range(rng.randint(1, 40))),
    "marks": marked_letters,
    "Hangul jamo": lambda rng: points(rng, JAMO, rng.randint(1, 30)),
    "pictures": lambda rng: points(rng, PICTURES, rng.randint(1, 20)),
    "white space": blank_runs,
    "contractions": contractions,
    "numbers": numbers,
    "ASCII with control characters": lambda rng: "".join(rng.choices(ASCII, k=rng.randint(1, 60))),
    "special tokens": special_tokens,
    "broken UTF-8": broken_bytes,
    "random bytes": lambda rng: rng.randbytes(rng.randint(1, 40)),
}


def fixed_texts() -> list[str | bytes]:
    texts: list[str | bytes] = [
        "",
        " ",
        "  ",
        "\n",
        "   \n",
        "\0",
        "a\0b",
        "->",
        "(x):\n",
        "12345",
        "a  b",
        "end   ",
        "\r\n\r\n",
    ]
    texts += ["e\u0301", "\u00e9", "\u1112\u1161\u11ab", "\ud55c", "\u0958", "\u212b", "\ufb01", "\uf900", "\U0001d15e"]
    texts += [
        "<think>\n\n</think>\n\n",
        "\u180e x",
        "it'\u017fok",
        b"\xff",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x92",
        b"\xc0\xaf",
    ]
    return texts + SENTENCES + SPECIALS


def long_texts(size: int = 100_000) -> Iterator[tuple[str, str]]:
    """Single texts of about `size` characters, among them those that make careless code quadratic."""
    rng = random.Random(SEED)
    yield "sentences", "\n".join(mutated_sentence(rng) for _ in range(size // 60))
    yield "one letter", "a" * size
    yield "one long word", "".join(rng.choices("abcdefghij", k=size))
    yield "spaces", " " * size
    yield "spaces before a word", " " * size + "x"
    yield "line ends", "\n" * size
    yield "line ends and spaces", " \n" * (size // 2)
    yield "punctuation", "-" * size
    yield "digits", "7" * size
    yield "Chinese", "的" * size
    yield "combining marks", "a" + "\u0316\u0301" * (size // 2)
    yield "specials", "<|im_end|>" * (size // 10)
    yield "half specials", "<|im_" * (size // 5)
    yield "zeros", "\0" * size
    yield "jamo", "\u1112\u1161\u11ab" * (size // 3)


def corpus(size: int = 6500) -> Iterator[tuple[str, str | bytes]]:
    """The kind and the text of `size` generated texts, each kind in equal part, after the fixed ones."""
    yield from (("fixed", text) for text in fixed_texts())
    rng = random.Random(SEED)
    kinds = list(KINDS)
    for i in range(size):
        kind = kinds[i % len(kinds)]
        yield kind, KINDS[kind](rng)


# Every one that UTF-8 can carry: first, and one past the last.
CODE_POINTS = ((0, 0xD800), (0xE000, 0x110000))
