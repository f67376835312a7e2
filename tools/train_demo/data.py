"""Batches. Everything is a function of the seed and the step, so that a resumed run sees what an unbroken one sees."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from .captions import caption
from .models import LATENT_SIDE
from .scenes import Mix, Scene, draw, labels, object_map, random_scene
from .tokenizer import PAD_MULTIPLE, PromptTokenizer

_MAX_TRIES = 200


def generator(seed: int, *names: object) -> random.Random:
    """An independent stream of random numbers for every name."""
    return random.Random("/".join(map(str, (seed, *names))))


def seed_torch(seed: int, *names: object) -> None:
    """Sets torch's generator for one named step."""
    torch.manual_seed(generator(seed, *names).getrandbits(62))


def to_tensor(pictures: list[np.ndarray]) -> Tensor:
    """Pictures (height, width, 3) in 0..1 as a batch (n, 3, height, width) in -1..1, channels last in memory."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (batch * 2 - 1).contiguous(memory_format=torch.channels_last)


def label_tensors(scenes: list[Scene]) -> tuple[Tensor, Tensor]:
    """Classes and geometry of scenes, for LabelHeads.loss."""
    all_labels = [labels(scene) for scene in scenes]
    return torch.tensor([x.classes for x in all_labels]), torch.tensor([x.geometry for x in all_labels])


def batch_captions(
    scenes: list[Scene], rng: random.Random, tokenizer: PromptTokenizer, long: bool, empty: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Captions of one padded length: 32 tokens, or 64 for long ones. A share of the short ones may be empty."""
    wanted = PAD_MULTIPLE * (2 if long else 1)
    texts = []
    for scene in scenes:
        if not long and rng.random() < empty:
            texts.append("")
            continue
        for _ in range(_MAX_TRIES):
            text = caption(scene, rng, long=long and rng.random() < 0.7)
            if tokenizer.padded_length(text) == wanted:
                break
            text = caption(scene, rng, long=long)
            if tokenizer.padded_length(text) == wanted:
                break
        else:
            raise RuntimeError(f"no caption of {wanted} tokens for {scene}")
        texts.append(text)
    return tokenizer(texts)


@dataclass
class Latents:
    """A batch of scenes, their latents and which latents belong to objects."""

    scenes: list[Scene]
    values: Tensor
    objects: Tensor


class LatentPool:
    """The latest pictures, coded. Picture number i is drawn from stream i, whatever happened before."""

    def __init__(
        self,
        vae: AutoencoderKL,
        seed: int,
        name: str,
        mix: Mix,
        start: int,
        fresh: int,
        capacity: int,
        draw: Callable[[Scene], np.ndarray] = draw,
    ) -> None:
        self.vae, self.seed, self.name, self.mix = vae, seed, name, mix
        self.start, self.fresh, self.capacity, self.draw = start, fresh, capacity, draw
        self.scenes: list[Scene | None] = [None] * capacity
        self.values = torch.zeros(capacity, 16, LATENT_SIDE, LATENT_SIDE)
        self.objects = torch.zeros(capacity, 1, LATENT_SIDE, LATENT_SIDE)
        self.count = 0

    def fill(self, step: int) -> None:
        """Brings the pool to its state at the given step, from any earlier state."""
        total = self.start + step * self.fresh
        first = max(self.count, total - self.capacity)
        for index in range(first, total, 32):
            self._add(range(index, min(index + 32, total)))
        self.count = total

    @torch.no_grad()
    def _add(self, indices: range) -> None:
        scenes = [random_scene(generator(self.seed, self.name, "picture", i), self.mix) for i in indices]
        mean = self.vae.encoder(to_tensor([self.draw(scene) for scene in scenes]))[:, :16]
        values = (mean - self.vae.config.shift_factor) * self.vae.config.scaling_factor
        for index, scene, value in zip(indices, scenes, values):
            slot = index % self.capacity
            self.scenes[slot], self.values[slot] = scene, value
            self.objects[slot, 0] = torch.from_numpy(object_map(scene, LATENT_SIDE))

    def batch(self, size: int, rng: random.Random) -> Latents:
        """Random members of the pool."""
        slots = [rng.randrange(min(self.count, self.capacity)) for _ in range(size)]
        return Latents([self.scenes[s] for s in slots], self.values[slots], self.objects[slots])
