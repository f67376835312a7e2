"""Trains the tiny SentencePiece model of the tokenizer tests: `python tests/golden/make_sentencepiece.py`."""

import io
import random
import sys
from pathlib import Path

import sentencepiece

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

import tokenizer_corpus  # noqa: E402


def sentences() -> list[str]:
    rng = random.Random(tokenizer_corpus.SEED)
    texts = [text for text in tokenizer_corpus.SENTENCES[:6] for _ in range(10)]
    words = "a red blue green circle square above below left right of the striped background small large two".split()
    return texts + [" ".join(rng.choices(words, k=8)) for _ in range(500)]


def main() -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences()),
        model_writer=model,
        vocab_size=450,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.99,
        normalization_rule_name="identity",  # the others put 240 KB of tables into the file
        user_defined_symbols=["<|user|>"],
        num_threads=1,
        minloglevel=2,
    )
    (HERE / "sentencepiece.model").write_bytes(model.getvalue())


if __name__ == "__main__":
    main()
