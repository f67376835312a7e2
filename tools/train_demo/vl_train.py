"""The training of the vision-language model: first the eyes alone, then eyes, states and voice together."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen3ForCausalLM, Qwen3VLForConditionalGeneration

from .data import LatentPool, Latents, batch_captions, generator, seed_torch
from .models import encode_prompts, transformer_forward
from .optimizer import MuonAdam, RunningAverage, rate_factor
from .scenes import HARD, Mix, Scene, random_scene
from .stages import Progress, Threads, flow_loss, noise_levels
from .tokenizer import PromptTokenizer
from .vl_data import (
    IGNORED,
    MASK_CELLS,
    PATCH_LABELS,
    ChatMaker,
    make_chats,
    patch_labels,
    patch_masks,
    photograph,
    resampling,
    selected_rows,
)
from .vl_model import QUIET, STATES_LAYERS, VISION_WIDTH, speech_forward, states_forward, vision_forward
from .vl_texts import IMAGE_TOKENS, canonical_caption

HEAD_ROWS, TAIL_ROWS = 3, 5  # of the chat template, before and behind a prompt


class PatchHeads(nn.Module):
    """Reads labels and the mask of the objects off each patch; used only in training."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.Linear(VISION_WIDTH, sum(PATCH_LABELS) + MASK_CELLS)

    def loss(self, patches: Tensor, scenes: list[Scene]) -> tuple[Tensor, float]:
        """Weighted sum of the labels' and the mask's cross-entropies, and the share of right shapes."""
        output = self.heads(F.layer_norm(patches, (VISION_WIDTH,))).flatten(0, 1)
        *logits, masks = output.split([*PATCH_LABELS, MASK_CELLS], 1)
        labels = torch.tensor([patch_labels(s) for s in scenes]).flatten(0, 1)
        losses = [F.cross_entropy(part, labels[:, i], ignore_index=IGNORED) for i, part in enumerate(logits)]
        mask_loss = F.binary_cross_entropy_with_logits(masks, patch_masks(scenes).flatten(0, 1))
        total = sum(losses) + 2 * losses[1] + 4 * mask_loss  # shapes are the hard part, and masks the way to them
        there = labels[:, 1] != IGNORED
        return total, (logits[1].argmax(1) == labels[:, 1])[there].float().mean().item()


@dataclass(frozen=True)
class VLPhase:
    """One run with its own warm-up, hold and decay of the learning rate."""

    name: str  # "eyes", "states" or "voice"
    steps: int
    mix: Mix = HARD
    muon_rate: float = 0.02
    adam_rate: float = 1.5e-3
    decay: float = 0.6
    pictures: int = 24
    texts: int = 24
    flow_pictures: int = 8  # of the pictures, those that the transformer draws
    flow_from: float = 0.6  # share of the steps without the transformer: distillation alone is far cheaper
    fresh: int = 2  # new pictures a step among those that are drawn
    capacity: int = 1024
    average: float = 0.99
    patch_weight: float = 0.2
    flow_weight: float = 3.0
    least_alpha: float = 0.7  # from here on the picture should win over the text

    def owns(self, parameter: str) -> bool:
        """Whether the phase trains the parameter of that name. Token embeddings stay those of the text encoder."""
        if "visual" in parameter:
            return self.name != "voice"
        speaks = parameter.endswith("language_model.norm.weight")
        if match := re.search(r"language_model\.layers\.(\d+)\.", parameter):
            speaks = int(match[1]) >= STATES_LAYERS
            return self.name == ("voice" if speaks else "states")
        return speaks and self.name == "voice"


class VLRun:
    """Trains the model for one phase, with checkpoints."""

    def __init__(
        self,
        phase: VLPhase,
        networks: tuple[Qwen3VLForConditionalGeneration, PatchHeads],
        frozen: tuple,
        tokenizer: PromptTokenizer,
        seed: int,
        threads: Threads,
    ) -> None:
        self.phase, self.seed, self.threads, self.tokenizer = phase, seed, threads, tokenizer
        self.model, self.heads = networks
        vae, self.encoder, self.transformer = frozen
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(phase.owns(name))
        named = [(n, p) for n, p in self.model.named_parameters() if phase.owns(n)]
        self.optimizer = MuonAdam(named + list(self.heads.named_parameters()), phase.muon_rate, phase.adam_rate)
        self.average = RunningAverage(list(networks), phase.average)
        start = 256 if phase.name == "states" else 0
        self.pool = LatentPool(vae, seed, phase.name, phase.mix, start, phase.fresh, phase.capacity)
        self.chats = ChatMaker(tokenizer, phase.mix)
        self.text_deviation = text_deviation(self.encoder, tokenizer)
        self.progress = Progress(f"{phase.name} loss", 25, 0.95)
        self.parts: dict[str, float] = {}
        self.step = 0

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint of the same phase."""
        state = torch.load(path, weights_only=True)
        if state["phase"] != self.phase.name or state["seed"] != self.seed:
            raise ValueError(f"{path} belongs to phase {state['phase']!r} with seed {state['seed']}")
        for network, weights in zip((self.model, self.heads), state["weights"]):
            network.load_state_dict(weights)
        for network, weights in zip(self.average.averages, state["averages"]):
            network.load_state_dict(weights)
        self.average.updates = state["updates"]
        self.optimizer.load(state["optimizer"])
        self.step, self.progress.mean, self.parts = state["step"], state["loss"], state["parts"]

    def save(self, path: Path) -> None:
        """Writes a checkpoint; a crash in between leaves the old one."""
        state = {
            "phase": self.phase.name,
            "seed": self.seed,
            "step": self.step,
            "loss": self.progress.mean,
            "parts": self.parts,
            "weights": [n.state_dict() for n in (self.model, self.heads)],
            "averages": [n.state_dict() for n in self.average.averages],
            "updates": self.average.updates,
            "optimizer": self.optimizer.state(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def run(self, checkpoint: Path, save_every: int = 25) -> None:
        """Trains to the end of the phase."""
        first = self.step
        while self.step < self.phase.steps:
            self.threads.adapt()
            seed_torch(self.seed, self.phase.name, self.step)
            losses = {"eyes": self._look, "states": self._show, "voice": self._speak}[self.phase.name]()
            sum(losses.values()).backward()
            self.optimizer.step(rate_factor(self.step, self.phase.steps, self.phase.decay))
            self.average.update()
            self.progress.add(self.step, sum(losses.values()).item(), self._told())
            self.step += 1
            if self.step == first + 1:
                self.progress.start(self.step)  # the first step compiles and fills the pool
            if self.step % save_every == 0 or self.step == self.phase.steps:
                self.save(checkpoint)
        history = json.dumps(self.progress.history)
        checkpoint.with_name(f"{self.phase.name}_loss.json").write_text(history, encoding="utf-8")

    def _note(self, **values: float) -> None:
        for name, value in values.items():
            self.parts[name] = 0.95 * self.parts.get(name, value) + 0.05 * value

    def _told(self) -> str:
        return ", ".join(f"{name} {value:.3f}" for name, value in self.parts.items())

    def _look(self) -> dict[str, Tensor]:
        """The eyes alone: every patch must know what is there and in what picture it is."""
        rng = generator(self.seed, self.phase.name, self.step)
        scenes = [random_scene(rng, self.phase.mix) for _ in range(self.phase.pictures)]
        vision = vision_forward(self.model, photograph(scenes, rng), merged=False)
        loss, right = self.heads.loss(vision.patches, scenes)
        self._note(shapes_right=right)
        return {"patches": loss}

    def _show(self) -> dict[str, Tensor]:
        """Eyes and the states of the chat, which the transformer should draw."""
        phase, rng = self.phase, generator(self.seed, self.phase.name, self.step)
        drawn, scenes, alone = None, [], self.step % 2 == 0
        if self.step >= phase.flow_from * phase.steps:
            self.pool.fill(self.step)
            drawn = self.pool.batch(phase.flow_pictures, rng)
            scenes += drawn.scenes
        scenes += [random_scene(rng, phase.mix) for _ in range(phase.pictures - len(scenes))]
        prompts = [self.chats.picture(scene, rng, alone)[0] for scene in scenes]
        chats = make_chats([(prompt, []) for prompt in prompts], self.tokenizer.pad)
        vision = vision_forward(self.model, photograph(scenes, rng))
        states = states_forward(self.model, chats.ids, vision)
        patch_loss, right = self.heads.loss(vision.patches, scenes)
        self._note(shapes_right=right)
        losses = {"patches": phase.patch_weight * patch_loss, "distil": self._distil(scenes, states, prompts)}
        if drawn:
            losses["flow"] = phase.flow_weight * self._draw(drawn, states, prompts, rng)
        return losses

    def _speak(self) -> dict[str, Tensor]:
        """Captions and rewritten texts from states that stay as they are."""
        phase, rng = self.phase, generator(self.seed, self.phase.name, self.step)
        if self.step % 8 == 7:  # rewriting behind a long system prompt
            pairs, vision = [self.chats.rewrite(rng, True) for _ in range(phase.texts // 4)], None
        else:
            scenes = [random_scene(rng, phase.mix) for _ in range(phase.pictures)]
            pairs = [self.chats.picture(scene, rng, self.step % 2 == 0) for scene in scenes]
            pairs += [self.chats.rewrite(rng, False) for _ in range(phase.texts)]
            vision = vision_forward(self.model, photograph(scenes, rng))
        chats = make_chats(pairs, self.tokenizer.pad)
        known = chats.targets != IGNORED
        last = speech_forward(self.model, chats.ids, states_forward(self.model, chats.ids, vision))
        logits, targets = self.model.lm_head(last[known]), chats.targets[known]
        right, row = (logits.argmax(1) == targets).float(), known.nonzero()[:, 0]
        if vision is None:
            self._note(long=right.mean().item())
        else:
            looked = row < phase.pictures
            self._note(caption=right[looked].mean().item(), rewrite=right[~looked].mean().item())
        return {"speech": F.cross_entropy(logits, targets)}

    def _image_rows(self, prompt: list[int]) -> tuple[int, int]:
        first = prompt.index(self.model.config.image_token_id)
        return first, first + IMAGE_TOKENS

    def _distil(self, scenes: list[Scene], states: Tensor, prompts: list[list[int]]) -> Tensor:
        """How far states are from those that the text encoder has for the caption, turned down as its copy is.

        The caption is stretched over the rows of the picture. Rows of other text are free to become what they will.
        """
        ids, lengths = self.tokenizer([canonical_caption(s) for s in scenes])
        with torch.no_grad():
            wanted = encode_prompts(self.encoder, ids) / QUIET
        errors = []
        for prompt, row, goal, length in zip(prompts, states, wanted, lengths.tolist()):
            first, last = self._image_rows(prompt)
            caption = resampling(HEAD_ROWS, length - TAIL_ROWS, IMAGE_TOKENS + 2, len(goal)) @ goal
            end = len(prompt) - prompt[::-1].index(self.tokenizer.end) - 1 + TAIL_ROWS
            seen = torch.cat([row[first - 1 - HEAD_ROWS : last + 1], row[end - TAIL_ROWS : end]])
            right = torch.cat([goal[:HEAD_ROWS], caption, goal[length - TAIL_ROWS : length]])
            errors.append((seen - right).square().mean(-1) / right.square().mean(-1))
        distil = torch.cat(errors).mean()
        self._note(distil=distil.item())
        return distil

    def _draw(self, batch: Latents, states: Tensor, prompts: list[list[int]], rng: Random) -> Tensor:
        """Flow loss of what the transformer draws from states, scaled and blended into a text about something else."""
        phase, long = self.phase, self.step % 10 == 9
        size = phase.flow_pictures // 2 if long else phase.flow_pictures
        others = [random_scene(rng, phase.mix) for _ in range(size)]
        ids, lengths = batch_captions(others, rng, self.tokenizer, long)
        with torch.no_grad():
            text = encode_prompts(self.encoder, ids)
        blended = []
        for index, length in enumerate(lengths.tolist()):
            first, last = selected_rows(prompts[index], self._image_rows(prompts[index]), rng)
            seen = states[index, first:last]
            scaled = resampling(0, last - first, length, last - first) @ seen * (self.text_deviation / seen.std())
            alpha = 1.0 if rng.random() < 0.5 else rng.uniform(phase.least_alpha, 1)
            mixed = alpha * scaled + (1 - alpha) * text[index, :length]
            blended.append(F.pad(mixed, (0, 0, 0, text.shape[1] - length)))
        part = Latents(batch.scenes[:size], batch.values[:size], batch.objects[:size])
        sigma, noise = noise_levels(size), torch.randn_like(part.values)
        noisy = (1 - sigma) * part.values + sigma * noise
        output = transformer_forward(self.transformer, noisy, 1 - sigma.flatten(), torch.stack(blended), lengths)
        loss = flow_loss(output, part, noise, 2.0)
        self._note(flow=loss.item())
        return loss


@torch.no_grad()
def text_deviation(encoder: Qwen3ForCausalLM, tokenizer: PromptTokenizer) -> float:
    """Standard deviation of all the text encoder's states over captions: what states of pictures are scaled to."""
    rng = generator(0, "text deviation")
    ids, lengths = batch_captions([random_scene(rng, HARD) for _ in range(64)], rng, tokenizer, long=False)
    states = encode_prompts(encoder, ids)
    return states[torch.arange(ids.shape[1]) < lengths[:, None]].std().item()
