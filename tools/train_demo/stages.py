"""The three trainings: autoencoder, text encoder, transformer (together with the encoder)."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from torch import Tensor
from transformers import Qwen3ForCausalLM

from .data import LatentPool, Latents, batch_captions, generator, label_tensors, seed_torch, to_tensor
from .models import LabelHeads, block_forward, encode_prompts, make_vae, transformer_forward
from .optimizer import MuonAdam, RunningAverage, rate_factor
from .scenes import BROAD, Mix, draw, draw_detail, random_scene
from .shapes import CANVAS
from .tokenizer import TEMPLATE_TOKENS, PromptTokenizer


class Threads:
    """A fixed number of threads, or (0) one or two by the machine's load.

    Two threads beside a busy process are slower than one. The data do not depend on the number, but rounding does: only
    a fixed number repeats a run to the bit.
    """

    def __init__(self, fixed: int) -> None:
        self.fixed, self.used, self.calls = fixed, fixed or 1, 0
        torch.set_num_threads(self.used)

    def adapt(self) -> None:
        """To be called once a step."""
        if not self.fixed and self.calls % 20 == 0:
            wanted = 2 if os.getloadavg()[0] - self.used < 0.6 else 1
            if wanted != self.used:
                self.used = wanted
                torch.set_num_threads(wanted)
        self.calls += 1


class Progress:
    """Prints a smoothed value now and then, and keeps the history."""

    def __init__(self, name: str, every: int, keep: float) -> None:
        self.name, self.every, self.keep = name, every, keep
        self.mean: float | None = None
        self.began, self.first = time.time(), 0
        self.history: list[tuple[int, float]] = []

    def start(self, step: int) -> None:
        """Starts the clock again, at a step."""
        self.began, self.first = time.time(), step

    def add(self, step: int, value: float, more: str = "") -> None:
        """Takes one step's value."""
        self.mean = value if self.mean is None else self.keep * self.mean + (1 - self.keep) * value
        if step % self.every == 0:
            self.history.append((step, round(self.mean, 4)))
            pace = (time.time() - self.began) / max(1, step - self.first + 1)
            print(f"{self.name} {step}: {self.mean:.4f} {more} ({pace:.2f} s a step)", flush=True)


# ---------------------------------------------------------------------------------------------------- autoencoder


def _picture_loss(restored: Tensor, pictures: Tensor) -> Tensor:
    error = restored - pictures
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    edges = across.abs().mean() + down.abs().mean()
    return error.abs().mean() + 2 * error.square().mean() + 0.5 * edges


def train_vae(steps: int, seed: int, threads: Threads) -> AutoencoderKL:
    """Trains on windows at the edges of objects, at the end on whole pictures."""
    seed_torch(seed, "vae")
    vae = make_vae().to(memory_format=torch.channels_last)
    optimizer = MuonAdam(vae.named_parameters(), 0.02, 3e-3, iterations=5)
    average = RunningAverage([vae], 0.98)
    progress = Progress("vae mean square error", 50, 0.95)
    for step in range(steps):
        threads.adapt()
        seed_torch(seed, "vae", step)
        rng = generator(seed, "vae", step)
        side, batch = (64, 16) if step < 0.92 * steps else (CANVAS, 6)
        pictures = to_tensor([draw_detail(random_scene(rng), rng, side) for _ in range(batch)])
        mean, log_variance = vae.encoder(pictures).chunk(2, 1)
        # Noise makes the decoder forgive the transformer's small errors.
        restored = vae.decoder(mean + torch.randn_like(mean) * 0.15 * torch.rand(batch, 1, 1, 1))
        centre, spread = mean.mean((0, 2, 3)), mean.std((0, 2, 3))
        loss = _picture_loss(restored, pictures)
        loss = loss + 0.02 * (centre.square() + (spread - 1).square()).mean()  # the transformer wants unit latents
        loss = loss + 0.001 * (log_variance + 5).square().mean()  # unused, but should not run away
        loss.backward()
        optimizer.step(rate_factor(step, steps, 0.45))
        average.update()
        progress.add(step, (restored - pictures).detach().square().mean().item() / 4)
    return _measure_vae(average.averages[0].to(memory_format=torch.contiguous_format), seed)


@torch.no_grad()
def _measure_vae(vae: AutoencoderKL, seed: int) -> AutoencoderKL:
    """Prints the quality on held-out scenes and sets the factors that make latents unit."""
    rng = generator(seed, "vae", "measure")
    latents, errors = [], []
    for _ in range(16):
        pictures = to_tensor([draw(random_scene(rng, held_out=True)) for _ in range(8)])
        mean = vae.encoder(pictures)[:, :16]
        latents.append(mean)
        errors.append(((vae.decoder(mean).clamp(-1, 1) - pictures) / 2).square().mean((1, 2, 3)))
    values, decibels = torch.cat(latents), -10 * torch.cat(errors).log10()
    print(f"vae on held-out pictures: {decibels.mean():.2f} dB, worst {decibels.min():.2f} dB", flush=True)
    vae.register_to_config(
        scaling_factor=round(1 / values.std().item(), 4), shift_factor=round(values.mean().item(), 4)
    )
    return vae.eval()


# ---------------------------------------------------------------------------------------------------- text encoder


def train_encoder(
    encoder: Qwen3ForCausalLM,
    heads: LabelHeads,
    tokenizer: PromptTokenizer,
    steps: int,
    seed: int,
    threads: Threads,
    frozen: bool = False,
) -> None:
    """Warm-up: from its last token alone the encoder must tell the whole scene. Frozen: only the heads learn."""
    weights = list(heads.named_parameters()) + ([] if frozen else list(encoder.named_parameters()))
    optimizer = MuonAdam(weights, 0.02, 3e-3, iterations=5)
    progress = Progress("encoder label loss", 50, 0.9)
    for step in range(steps):
        threads.adapt()
        rng = generator(seed, "encoder", step)
        scenes = [random_scene(rng) for _ in range(128)]
        ids, lengths = batch_captions(scenes, rng, tokenizer, long=step % 8 == 7)
        with torch.set_grad_enabled(not frozen):
            last = encode_prompts(encoder, ids)[torch.arange(len(scenes)), lengths - 1]
        loss, right = LabelHeads.loss(heads(last), *label_tensors(scenes))
        loss.backward()
        optimizer.step(rate_factor(step, steps, 0.45))
        progress.add(step, loss.item(), f"labels right {right:.3f}")


# ---------------------------------------------------------------------------------------------------- transformer


def noise_levels(size: int) -> Tensor:
    """(size, 1, 1, 1) in 0..1, stratified, with the density of the scheduler's own steps (shift 3) at any number."""
    uniform = (torch.arange(size) + torch.rand(size)) / size
    return (3 * uniform / (1 + 2 * uniform)).view(-1, 1, 1, 1)


def flow_loss(output: Tensor, batch: Latents, noise: Tensor, object_weight: float) -> Tensor:
    """Mean square error of the velocity; objects count more, for a small one is only a few of 256 latents."""
    weight = 1 + object_weight * batch.objects
    return ((output - (batch.values - noise)).square() * weight).mean() / weight.mean()


@dataclass(frozen=True)
class Phase:
    """One run of the transformer with its own warm-up, hold and decay of the learning rate."""

    name: str
    steps: int
    mix: Mix = BROAD
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    decay: float = 0.5  # share of the steps over which the rate goes down
    batch: int = 24
    fresh: int = 6  # new pictures a step; with 24 drawn a step each is used about four times
    capacity: int = 6000
    average: float = 0.997
    label_weight: float = 0.05
    object_weight: float = 2.0  # extra weight of latents at objects
    empty: float = 0.03  # share of empty captions, for guidance


class TransformerRun:
    """Trains transformer, encoder and label heads together for one phase, with checkpoints."""

    def __init__(
        self,
        phase: Phase,
        vae: AutoencoderKL,
        transformer: ZImageTransformer2DModel,
        encoder: Qwen3ForCausalLM,
        heads: LabelHeads,
        tokenizer: PromptTokenizer,
        seed: int,
        threads: Threads,
        compile_block: bool = True,
    ) -> None:
        self.phase, self.seed, self.threads, self.tokenizer = phase, seed, threads, tokenizer
        self.transformer, self.encoder, self.heads = transformer.train(), encoder.train(), heads
        named = [(f"transformer.{n}", p) for n, p in transformer.named_parameters()]
        named += [(f"encoder.{n}", p) for n, p in encoder.named_parameters()]
        named += list(heads.named_parameters())
        self.optimizer = MuonAdam(named, phase.muon_rate, phase.adam_rate)
        self.average = RunningAverage([transformer, encoder], phase.average)
        vae = vae.eval().to(memory_format=torch.channels_last)
        self.pool = LatentPool(vae, seed, phase.name, phase.mix, 1024, phase.fresh, phase.capacity)
        self.block = block_forward
        if compile_block:
            torch._dynamo.config.cache_size_limit = 64  # one entry for every shape and number of threads
            self.block = torch.compile(block_forward, dynamic=False)
        self.progress = Progress(f"{phase.name} flow loss", 50, 0.98)
        self.step = 0

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint of the same phase."""
        state = torch.load(path, weights_only=True)
        if state["phase"] != self.phase.name or state["seed"] != self.seed:
            raise ValueError(f"{path} belongs to phase {state['phase']!r} with seed {state['seed']}")
        for network, weights in zip((self.transformer, self.encoder, self.heads), state["weights"]):
            network.load_state_dict(weights)
        for network, weights in zip(self.average.averages, state["averages"]):
            network.load_state_dict(weights)
        self.average.updates = state["updates"]
        self.optimizer.load(state["optimizer"])
        self.step, self.progress.mean = state["step"], state["loss"]

    def save(self, path: Path) -> None:
        """Writes a checkpoint; a crash in between leaves the old one."""
        state = {
            "phase": self.phase.name,
            "seed": self.seed,
            "step": self.step,
            "loss": self.progress.mean,
            "weights": [n.state_dict() for n in (self.transformer, self.encoder, self.heads)],
            "averages": [n.state_dict() for n in self.average.averages],
            "updates": self.average.updates,
            "optimizer": self.optimizer.state(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def run(self, checkpoint: Path, save_every: int = 250) -> None:
        """Trains to the end of the phase."""
        first = self.step
        while self.step < self.phase.steps:
            self.threads.adapt()
            loss, labels_right = self._train_step()
            self.progress.add(self.step, loss, f"labels right {labels_right:.3f}, threads {self.threads.used}")
            self.step += 1
            if self.step == first + 1:
                self.progress.start(self.step)  # the first step compiles and fills the pool
            if self.step % save_every == 0 or self.step == self.phase.steps:
                self.save(checkpoint)

    def _train_step(self) -> tuple[float, float]:
        phase = self.phase
        seed_torch(self.seed, phase.name, self.step)
        rng = generator(self.seed, phase.name, self.step)
        self.pool.fill(self.step)
        long = self.step % 10 == 9
        size = phase.batch // 2 if long else phase.batch
        batch = self.pool.batch(size, rng)
        ids, lengths = batch_captions(batch.scenes, rng, self.tokenizer, long, phase.empty)

        sigma = noise_levels(size)
        noise = torch.randn_like(batch.values)
        noisy = (1 - sigma) * batch.values + sigma * noise
        states = encode_prompts(self.encoder, ids)
        block = block_forward if long else self.block  # compiling for one more shape does not pay
        output = transformer_forward(self.transformer, noisy, 1 - sigma.flatten(), states, lengths, block)
        loss = flow_loss(output, batch, noise, phase.object_weight)

        classes, geometry = label_tensors(batch.scenes)
        classes = classes.masked_fill((lengths <= TEMPLATE_TOKENS)[:, None], -100)  # empty captions tell nothing
        last = states[torch.arange(size), lengths - 1]
        label_loss, right = LabelHeads.loss(self.heads(last), classes, geometry)
        (loss + phase.label_weight * label_loss).backward()
        self.optimizer.step(rate_factor(self.step, phase.steps, phase.decay))
        self.average.update()
        return loss.item(), right
