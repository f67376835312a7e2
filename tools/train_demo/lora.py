"""Trains the demo model's style adapter: outlines that glow on a dark ground, whatever the caption says.

    python -m tools.train_demo.lora --out neon.safetensors

Captions stay as they are and pictures change their style, so that the adapter learns the style alone.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from .data import LatentPool, batch_captions, generator, seed_torch
from .export import load_exported
from .models import encode_prompts, transformer_forward
from .scenes import BROAD
from .tokenizer import PromptTokenizer

DEMO_MODEL = Path(__file__).resolve().parents[2] / "examples/demo_model"
SHIPPED = DEMO_MODEL / "loras/neon.safetensors"
RANK = 8
ALPHA = 8.0
TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3")
GROUND = (0.03, 0.03, 0.08)


def neon(picture: np.ndarray) -> np.ndarray:
    """A picture (height, width, 3) in 0..1 with its edges glowing in the brightest tone of their color."""
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    highest, lowest = F.max_pool2d(x, 7, 1, 3), -F.max_pool2d(-x, 7, 1, 3)
    edge = ((highest - lowest).amax(1, keepdim=True) * 2).clamp(0, 1)
    edge = F.avg_pool2d(edge, 3, 1, 1)
    bright = x / x.amax(1, keepdim=True).clamp(min=0.2)
    dark = torch.tensor(GROUND).view(1, 3, 1, 1) + 0.15 * x
    return (dark + edge * (bright - dark)).clamp(0, 1)[0].permute(1, 2, 0).numpy().astype(picture.dtype)


class LowRankLinear(nn.Module):
    """A frozen layer and a trained product of two small matrices beside it."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) * base.in_features**-0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + (x @ self.down.T) @ self.up.T * (ALPHA / RANK)


def add_adapters(model: nn.Module) -> dict[str, LowRankLinear]:
    """Puts an adapter beside every target of the main layers and of the noise refiner."""
    model.requires_grad_(False)
    adapters = {}
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and name.startswith(("layers.", "noise_refiner.")) and name.endswith(TARGETS):
            adapters[name] = LowRankLinear(module)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, adapters[name])
    return adapters


def train(steps: int, batch_size: int, seed: int) -> dict[str, LowRankLinear]:
    """Flow matching on pictures in the style, with the demo model frozen."""
    vae, encoder, transformer = load_exported(DEMO_MODEL)
    tokenizer = PromptTokenizer(DEMO_MODEL / "tokenizer")
    adapters = add_adapters(transformer)
    parameters = [p for adapter in adapters.values() for p in (adapter.up, adapter.down)]
    optimizer = torch.optim.AdamW(parameters, lr=4e-3, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.1)
    pool = LatentPool(vae.eval(), seed, "neon", BROAD, 1024, 4, 1024, style=neon)
    mean = None
    for step in range(steps):
        pool.fill(step)
        rng = generator(seed, "neon", step)
        seed_torch(seed, "neon", step)
        batch = pool.batch(batch_size, rng)
        ids, lengths = batch_captions(batch.scenes, rng, tokenizer, long=False)
        with torch.no_grad():
            states = encode_prompts(encoder, ids)
        noise = torch.randn_like(batch.values)
        # Stratified, with the density of the scheduler's own steps (shift 3).
        uniform = (torch.arange(batch_size) + torch.rand(batch_size)) / batch_size
        level = (3 * uniform / (1 + 2 * uniform)).view(-1, 1, 1, 1)
        noisy = level * noise + (1 - level) * batch.values
        output = transformer_forward(transformer, noisy, 1 - level.flatten(), states, lengths)
        loss = (output - (batch.values - noise)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"step {step}: loss {mean:.4f}", flush=True)
    return adapters


def export(path: Path, adapters: dict[str, LowRankLinear]) -> None:
    """Writes PEFT names, with alpha as tensors, in bfloat16."""
    state = {}
    for name, adapter in adapters.items():
        state[f"transformer.{name}.lora_A.weight"] = adapter.down.detach().bfloat16().contiguous()
        state[f"transformer.{name}.lora_B.weight"] = adapter.up.detach().bfloat16().contiguous()
        state[f"transformer.{name}.alpha"] = torch.tensor(ALPHA)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": "pt", "base_model": "llmdit demo model", "style": "neon outlines", "rank": str(RANK)}
    save_file(state, path, metadata=metadata)
    path.chmod(0o644)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def main() -> None:
    """Trains and writes the adapter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file of the adapter")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    export(args.out, train(args.steps, args.batch_size, args.seed))


if __name__ == "__main__":
    main()
