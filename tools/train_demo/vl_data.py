"""Batches for the vision-language model, and what its eyes and its states should be."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .scenes import BACKGROUND_KINDS, COLOUR_NAMES, SIZES, Mix, Scene, draw, random_scene
from .shapes import CANVAS, SHAPES
from .tokenizer import PromptTokenizer
from .vl_model import PATCH, SIDE, patch_places
from .vl_texts import canonical_caption, picture_chat, rewrite_chat

CHAT_ROWS = 64  # most tokens of a chat with its answer, but for long system prompts
IGNORED = -100
_END = "<|im_end|>"
_MAX_TRIES = 200

MASK_CELLS = (PATCH // 2) ** 2
# What each patch should know: whether there is an object, which (shape, colour, size, outline), and the background.
PATCH_LABELS = (
    2,
    len(SHAPES),
    len(COLOUR_NAMES),
    len(SIZES),
    2,
    len(BACKGROUND_KINDS),
    len(COLOUR_NAMES),
    len(COLOUR_NAMES),
)


def photograph(scenes: list[Scene], rng: random.Random) -> Tensor:
    """Pictures of scenes (n, 128, 128, 3), bytes, a little off: other brightness, softness, noise."""
    noise = np.random.default_rng(rng.getrandbits(62))
    pictures = []
    for scene in scenes:
        picture = draw(scene) * 255
        if rng.random() < 0.3:
            soft = (picture + np.roll(picture, 1, 0) + np.roll(picture, 1, 1) + np.roll(picture, (1, 1), (0, 1))) / 4
            picture += rng.random() * (soft - picture)
        if rng.random() < 0.6:
            picture = picture * rng.uniform(0.96, 1.04) + rng.uniform(-4, 4)
            picture += noise.normal(0, rng.uniform(0, 5), picture.shape)
        pictures.append(np.clip(np.round(picture), 0, 255).astype(np.uint8))
    return torch.from_numpy(np.stack(pictures))


def patch_masks(scenes: list[Scene]) -> Tensor:
    """(n, 64, 64): which of the 8 x 8 cells of each patch an object covers, 0..1, in the order of the model's rows."""
    axis = (np.arange(CANVAS // 2, dtype=np.float32) + 0.5) * (4 / CANVAS) - 1
    x, y = np.meshgrid(axis, axis)
    covers = [np.max([t.cover(x, y) for t in scene.things], axis=0) for scene in scenes]
    cells = torch.from_numpy(np.stack(covers)).view(len(scenes), SIDE, PATCH // 2, SIDE, PATCH // 2).transpose(2, 3)
    places = patch_places()
    return cells[:, places[:, 0], places[:, 1]].flatten(2)


def patch_labels(scene: Scene) -> list[list[int]]:
    """For each patch, in the order of the model's rows, the classes of PATCH_LABELS (-100: unknown)."""
    ground = [
        BACKGROUND_KINDS.index(scene.background_kind),
        COLOUR_NAMES.index(scene.background),
        COLOUR_NAMES.index(scene.second_colour),
    ]
    rows = []
    for row, column in patch_places().tolist():
        x, y = ((place + 0.5) * (2 * PATCH / CANVAS) - 1 for place in (column, row))
        near = [t for t in scene.things if max(abs(x - t.x), abs(y - t.y)) < t.radius + 0.03]
        what = [0] + [IGNORED] * 4
        if near:
            thing = near[-1]  # the one in front
            shape, colour = SHAPES.index(thing.shape), COLOUR_NAMES.index(thing.colour)
            what = [1, shape, colour, SIZES.index(thing.size), int(thing.outline)]
        rows.append(what + ground)
    return rows


@dataclass
class Chats:
    """Chats with their answers, padded on the right: ids and targets (n, rows), and the rows before the answer."""

    ids: Tensor
    targets: Tensor
    prompt_rows: list[int]


def make_chats(pairs: list[tuple[list[int], list[int]]], pad: int, rows: int | None = None) -> Chats:
    """From token ids of prompts and answers; a target is the next token, inside the answer only."""
    rows = rows or max(len(prompt) + len(answer) for prompt, answer in pairs)
    ids = torch.full((len(pairs), rows), pad)
    targets = torch.full((len(pairs), rows), IGNORED)
    for index, (prompt, answer) in enumerate(pairs):
        end = len(prompt) + len(answer)
        ids[index, :end] = torch.tensor(prompt + answer)
        targets[index, len(prompt) - 1 : end - 1] = torch.tensor(answer)
    return Chats(ids, targets, [len(prompt) for prompt, _ in pairs])


class ChatMaker:
    """Makes chats of tokens."""

    def __init__(self, tokenizer: PromptTokenizer, mix: Mix) -> None:
        self.tokenizer, self.mix = tokenizer, mix

    def encode(self, text: str) -> list[int]:
        """Token ids of a text with special tokens in it."""
        return self.tokenizer.tokenizer.encode(text, add_special_tokens=False).ids

    def _fitting(self, scene: Scene, make, limit: int | None) -> tuple[list[int], list[int]]:
        answer = self.encode(canonical_caption(scene) + _END)
        for _ in range(_MAX_TRIES):
            prompt = self.encode(make())
            if limit is None or len(prompt) + len(answer) <= limit:
                return prompt, answer
        raise RuntimeError(f"no chat of {limit} tokens for {scene}")

    def picture(self, scene: Scene, rng: random.Random, alone: bool) -> tuple[list[int], list[int]]:
        """A chat about a picture, with or without other text, and its caption."""
        return self._fitting(scene, lambda: picture_chat(scene, random_scene(rng, self.mix), rng, alone), CHAT_ROWS)

    def rewrite(self, rng: random.Random, long: bool) -> tuple[list[int], list[int]]:
        """A text to rewrite and the sentence it should become."""
        scene = random_scene(rng, self.mix)
        return self._fitting(scene, lambda: rewrite_chat(scene, rng, long), None if long else CHAT_ROWS)


def selected_rows(prompt: list[int], image: tuple[int, int], rng: random.Random) -> tuple[int, int]:
    """The rows of a chat that become the condition: all of them, or the picture with or without its markers."""
    kind = rng.random()
    if kind < 0.75:
        return 0, len(prompt)
    return (image[0] - 1, image[1] + 1) if kind < 0.88 else image


def resampling(first: int, last: int, rows: int, width: int) -> Tensor:
    """(rows, width) matrix that resamples rows first..last-1 of `width`, linearly, corners not aligned."""
    count = last - first
    place = ((torch.arange(rows) + 0.5) * (count / rows) - 0.5).clamp(0, count - 1)
    below = place.floor().long()
    above = (below + 1).clamp(max=count - 1)
    matrix = torch.zeros(rows, width)
    matrix[torch.arange(rows), first + below] += 1 - (place - below)
    matrix[torch.arange(rows), first + above] += place - below
    return matrix
