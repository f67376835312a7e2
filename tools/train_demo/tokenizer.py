"""A small byte-level BPE tokenizer in Qwen's style, and its use for batches of prompts."""

import json
import random
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from .captions import caption
from .scenes import random_scene

SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
EXTRA_TOKENS = [
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
]
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
PAD_MULTIPLE = 32  # the transformer pads every caption to a multiple of this
TEMPLATE_TOKENS = 8  # tokens the chat template adds around a prompt


def _corpus() -> list[str]:
    rng = random.Random(1)
    texts = [caption(random_scene(rng), rng, long=rng.random() < 0.3) for _ in range(8000)]
    texts += ["user\n", "assistant\n", "system\n"] * 400
    common = "photo of a cat dog house tree person car flower sky sea sun mountain "
    common += "the of and to in is with for by this that"
    return texts + [common] * 40


def train_tokenizer(folder: Path) -> None:
    """Trains on captions and writes the files of a Qwen2 tokenizer."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _corpus(),
        trainers.BpeTrainer(vocab_size=1100, show_progress=False, min_frequency=3, initial_alphabet=alphabet),
    )
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in EXTRA_TOKENS])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_companions(folder)


def _write_companions(folder: Path) -> None:
    """The files that repeat parts of tokenizer.json, for readers that know only those."""
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    model = whole["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8")
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    keys = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {str(t["id"]): {k: t[k] for k in keys} for t in whole["added_tokens"]},
        "additional_special_tokens": SPECIAL_TOKENS[1:],
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


class PromptTokenizer:
    """Applies the chat template to prompts and pads them as the pipeline does."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.pad = self.tokenizer.token_to_id("<|endoftext|>")
        self.end = self.tokenizer.token_to_id("<|im_end|>")
        self.rows = -(-self.tokenizer.get_vocab_size() // 32) * 32  # embedding rows, so that blocks of 32 fit

    def padded_length(self, prompt: str) -> int:
        """Number of tokens of the prompt in its template, rounded up as the transformer does."""
        tokens = len(self.tokenizer.encode(prompt, add_special_tokens=False).ids) + TEMPLATE_TOKENS
        return -(-tokens // PAD_MULTIPLE) * PAD_MULTIPLE

    def __call__(self, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids (batch, padded length) and true lengths (batch)."""
        wrapped = [f"<|im_start|>user\n{p}<|im_end|>\n<|im_start|>assistant\n" for p in prompts]
        rows = [e.ids for e in self.tokenizer.encode_batch(wrapped, add_special_tokens=False)]
        width = -(-max(map(len, rows)) // PAD_MULTIPLE) * PAD_MULTIPLE
        ids = torch.tensor([row + [self.pad] * (width - len(row)) for row in rows])
        return ids, torch.tensor([len(row) for row in rows])
