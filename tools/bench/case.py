"""What a job runs on, and inputs that are the same in every process."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PROMPT = "a red circle left of a blue star on a yellow background"
PROMPT_TOKENS = 20  # with the chat template, in the demo model's tokenizer and in Qwen's
SHARED_PROMPTS = 100
ALONE_PROMPTS = 10  # of these, what is timed where each is encoded by itself
NEW_TOKENS = 16
SEED = 7
TIME = 0.25  # model time of the step

# Stages of a load job; the second includes the first.
LOADED = "load the folder"
FIRST_STEP = "load, encode the prompt, one step"
BEYOND_WARM = "of that, what a second time does not take"


@dataclass(frozen=True)
class Case:
    """What a job runs on."""

    folders: dict[str, Path]
    """Of each storage type, and of the models that single jobs need: see sizes.Sizes.folders."""
    pixels: int
    """Side of the picture."""
    threads: int
    wide: bool = True
    """Whether the models have the published widths, which some tools take for granted."""

    def gguf(self, part: str, kind: str) -> Path:
        """A part of the model as GGUF: "transformer" or "text_encoder"; "bf16", "q8_0" or "q4_0"."""
        return gguf_path(self.folders["bfloat16"], part, kind)


@dataclass
class Measured:
    """What a stage may return when the time of its call is not what counts, or not all."""

    output: "torch.Tensor | None" = None
    seconds: float | None = None
    """In place of the time of the call."""
    figures: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Other quantities, with their units."""


Stage = Callable[[], "torch.Tensor | Measured | None"]
Prepare = Callable[[Case], dict[str, Stage]]
"""Does what is not timed and returns what is: named stages, which run in this order."""


def gguf_path(folder: Path, part: str, kind: str) -> Path:
    """Beside the parts of the diffusers folder that it is made of."""
    return folder / f"{part}-{kind}.gguf"


def random_tensor(*shape: int) -> "torch.Tensor":
    """The same standard normal numbers in every process."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED))


def latents_of(pixels: int, batch: int = 1) -> "torch.Tensor":
    """[batch, 16, h, w]"""
    return random_tensor(batch, 16, pixels // 8, pixels // 8)


def tokens_of(pixels: int) -> int:
    """Of a square picture: the transformer sees patches of 16 x 16 pixels."""
    return (pixels // 16) ** 2


def caption_of(case: Case, storage: str = "float32") -> "torch.Tensor":
    """Embeddings of a prompt, [tokens, width]."""
    config = json.loads((case.folders[storage] / "transformer/config.json").read_text(encoding="utf-8"))
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
