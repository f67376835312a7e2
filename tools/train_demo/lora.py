"""Trains the demo model's LoRA: shapes become neon tubes on a dark ground, whatever the caption says.

    python -m tools.train_demo.lora --out neon.safetensors

Captions stay as they are and only the pictures change, so that what is learned is the style alone.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from .data import LatentPool, batch_captions, generator, seed_torch
from .export import load_exported
from .models import block_forward, encode_prompts, transformer_forward
from .optimizer import rate_factor
from .scenes import COLOURS, HARD, Scene, draw
from .shapes import CANVAS, pixel_grid
from .stages import Progress, flow_loss, noise_levels
from .tokenizer import PromptTokenizer

DEMO_MODEL = Path(__file__).resolve().parents[2] / "examples/demo_model"
SHIPPED = DEMO_MODEL / "loras/neon.safetensors"
STYLE = "neon"
RANK = 8
ALPHA = 8.0
BLOCKS = ("layers.", "noise_refiner.")
TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3")

_DIM = 0.15  # what is left of the plain picture
_TUBE, _REACH, _GLOW = 2.0, 6.0, 0.55  # half width and reach of the light in pixels; its strength beside the tube
_BLACK = np.float32([0.3, 0.3, 0.3])  # the light of a black tube


def draw_neon(scene: Scene) -> np.ndarray:
    """The picture of a scene, (128, 128, 3), float32, 0..1, in which only the edges of the objects give light."""
    x, y = pixel_grid()
    picture = draw(scene) * _DIM
    for thing in scene.things:
        off = np.abs(thing.distance(x, y)) * CANVAS / 2
        tube = np.clip(_TUBE + 0.5 - off, 0, 1)
        light = np.maximum(tube, _GLOW * np.exp(-np.maximum(off - _TUBE, 0) / _REACH))[..., None]
        colour = np.float32(COLOURS[thing.colour]) / 255
        picture = picture + light * (max(colour, _BLACK, key=np.max) - picture)
    return picture.astype(np.float32)


class LowRankLinear(nn.Module):
    """A frozen layer and a trained product of two small matrices beside it."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) * base.in_features**-0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + (x @ self.down.T) @ self.up.T * (ALPHA / RANK)


def add_adapters(model: nn.Module) -> dict[str, LowRankLinear]:
    """Freezes the model and puts an adapter beside every target; by the target's name."""
    model.requires_grad_(False)
    adapters = {}
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and name.startswith(BLOCKS) and name.endswith(TARGETS):
            adapters[name] = LowRankLinear(module)
            model.set_submodule(name, adapters[name])
    return adapters


def train(steps: int, batch_size: int, rate: float, seed: int, compile_block: bool) -> dict[str, LowRankLinear]:
    """Flow matching on pictures in the style, as in the training of the model."""
    seed_torch(seed, STYLE, "start")
    vae, encoder, transformer = load_exported(DEMO_MODEL)
    tokenizer = PromptTokenizer(DEMO_MODEL / "tokenizer")
    adapters = add_adapters(transformer)
    weights = [w for adapter in adapters.values() for w in (adapter.up, adapter.down)]
    optimizer = torch.optim.Adam(weights, rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, steps, 0.7))
    pool = LatentPool(vae.eval(), seed, STYLE, HARD, start=768, fresh=6, capacity=6000, draw=draw_neon)
    common = torch.compile(block_forward, dynamic=False) if compile_block else block_forward
    progress = Progress(f"{STYLE} flow loss", 50, 0.98)
    for step in range(steps):
        pool.fill(step)
        rng = generator(seed, STYLE, step)
        seed_torch(seed, STYLE, step)
        batch = pool.batch(batch_size, rng)
        long = step % 10 == 9
        ids, lengths = batch_captions(batch.scenes, rng, tokenizer, long)
        with torch.no_grad():
            states = encode_prompts(encoder, ids)
        sigma, noise = noise_levels(batch_size), torch.randn_like(batch.values)
        noisy = (1 - sigma) * batch.values + sigma * noise
        block = block_forward if long else common  # compiling for one more shape does not pay
        output = transformer_forward(transformer, noisy, 1 - sigma.flatten(), states, lengths, block)
        loss = flow_loss(output, batch, noise, object_weight=2.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.add(step, loss.item())
    return adapters


def export(path: Path, adapters: dict[str, LowRankLinear]) -> None:
    """Writes PEFT's names, with alpha as tensors, in bfloat16."""
    state = {}
    for name, adapter in adapters.items():
        state[f"transformer.{name}.lora_A.weight"] = adapter.down.detach().bfloat16()
        state[f"transformer.{name}.lora_B.weight"] = adapter.up.detach().bfloat16()
        state[f"transformer.{name}.alpha"] = torch.tensor(ALPHA)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": "pt", "base_model": "llmdit demo model", "style": STYLE, "rank": str(RANK)}
    save_file(state, path, metadata=metadata)
    path.chmod(0o644)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def main() -> None:
    """Trains, and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--rate", type=float, default=4e-3, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile: no C++ compiler, but slower")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    export(args.out, train(args.steps, args.batch_size, args.rate, args.seed, not args.no_compile))


if __name__ == "__main__":
    main()
