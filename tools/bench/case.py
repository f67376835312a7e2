"""What a job runs on, and inputs that are the same in every process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PROMPT = "a red circle left of a blue star on a yellow background"
PROMPT_TOKENS = 20  # with the chat template, in the demo model's tokenizer
SHARED_PROMPTS = 20
NEW_TOKENS = 16
SEED = 7
TIME = 0.25  # model time of the step

# Stages of a load job; the second includes the first.
LOADED = "load the folder"
FIRST_STEP = "load, encode the prompt, one step"


@dataclass(frozen=True)
class Case:
    """What a job runs on."""

    folders: dict[str, Path]
    """Of each storage type."""
    pixels: int
    """Side of the picture."""
    threads: int


Stage = Callable[[], "torch.Tensor | None"]
Prepare = Callable[[Case], dict[str, Stage]]
"""Does what is not timed and returns what is: named stages, which run in this order."""


def random_tensor(*shape: int) -> "torch.Tensor":
    """The same standard normal numbers in every process."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED))


def latents_of(pixels: int) -> "torch.Tensor":
    """[1, 16, h, w]"""
    return random_tensor(1, 16, pixels // 8, pixels // 8)


def caption_of(case: Case) -> "torch.Tensor":
    """Embeddings of a prompt, [tokens, width]."""
    config = json.loads((case.folders["float32"] / "transformer/config.json").read_text(encoding="utf-8"))
    return random_tensor(PROMPT_TOKENS, config["cap_feat_dim"])


def shared_prompts() -> list[str]:
    """Chat texts that begin with the same 200 tokens or so, and end with a prompt of their own."""
    system = "You describe pictures in detail: what is in them, where it is, what the light is like. " * 10
    before, after = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
    return [f"{before}{number} {PROMPT}{after}" for number in range(SHARED_PROMPTS)]


def torch_dtype(name: str) -> "torch.dtype":
    """The type of that name."""
    import torch

    return getattr(torch, name)
