"""Runs of the reference pipeline, as the tests need them."""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass
class ReferenceRun:
    latents: list[torch.Tensor]
    """After each step, [batch, channels, h, w]."""
    pixels: torch.Tensor | None
    """[batch, 3, height, width] in 0..1."""
    sigmas: torch.Tensor


def draw(seed: int, *shape: int) -> torch.Tensor:
    """Standard normal numbers of a seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(
    pipeline: Any, prompt: Any, *, max_sequence_length: int = 64, decode: bool = True, **options: Any
) -> ReferenceRun:
    """One generation, guidance off unless given; prompts are padded to max_sequence_length, which must hold them."""
    steps: list[torch.Tensor] = []

    def after_step(_: Any, __: int, ___: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        steps.append(tensors["latents"].clone())
        return tensors

    options.setdefault("guidance_scale", 0.0)
    # The reference overwrites the caller's lists.
    if isinstance(prompt, list):
        prompt = list(prompt)
    if isinstance(options.get("negative_prompt"), list):
        options["negative_prompt"] = list(options["negative_prompt"])
    result = pipeline(
        prompt,
        output_type="pt" if decode else "latent",
        callback_on_step_end=after_step,
        max_sequence_length=max_sequence_length,
        **options,
    )
    return ReferenceRun(steps, result.images if decode else None, pipeline.scheduler.sigmas.clone())
