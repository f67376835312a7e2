"""Teaches the demo's text encoder to answer, without touching what conditions pictures.

    python -m tools.train_demo.encoder_voice --out text_encoder_with_voice

The transformer is given the states before the last layer. So the last layer, the norm behind it and the head (which is
untied from the embeddings) are free to learn to rewrite texts; all else keeps its bits.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Qwen3ForCausalLM

from .data import generator, seed_torch
from .lora import DEMO_MODEL
from .models import encode_prompts
from .optimizer import MuonAdam, RunningAverage, rate_factor
from .scenes import HARD
from .stages import Progress, Threads
from .tokenizer import PromptTokenizer
from .vl_data import CHAT_ROWS, IGNORED, ChatMaker, make_chats
from .vl_model import layer_forward, rms_norm

BATCH, LONG_BATCH = 40, 5


class Voice(nn.Module):
    """What is behind the states that condition pictures."""

    def __init__(self, encoder: Qwen3ForCausalLM) -> None:
        super().__init__()
        self.layer, self.norm = encoder.model.layers[-1], encoder.model.norm
        self.lm_head = nn.Linear(*reversed(encoder.model.embed_tokens.weight.shape), bias=False)
        self.lm_head.weight.data.copy_(encoder.model.embed_tokens.weight)
        nn.init.zeros_(self.layer.self_attn.o_proj.weight)
        nn.init.zeros_(self.layer.mlp.down_proj.weight)
        self.requires_grad_(True)

    def forward(self, states: Tensor, cosine: Tensor, sine: Tensor, known: Tensor) -> Tensor:
        """Logits of the next token at the known places."""
        return self.lm_head(rms_norm(layer_forward(self.layer, states, cosine, sine)[known], self.norm))

    def tensors(self, layers: int) -> dict[str, Tensor]:
        """Its weights under the names of the whole model."""
        names = {f"model.layers.{layers - 1}.{n}": w for n, w in self.layer.state_dict().items()}
        return names | {"model.norm.weight": self.norm.weight, "lm_head.weight": self.lm_head.weight}


def train(model: Path, steps: int, seed: int, threads: Threads, checkpoint: Path) -> Voice:
    """Trains on texts and the one sentence each should become; goes on from the checkpoint if there is one."""
    tokenizer = PromptTokenizer(model / "tokenizer")
    encoder = Qwen3ForCausalLM.from_pretrained(model / "text_encoder", dtype=torch.float32).eval().requires_grad_(False)
    seed_torch(seed, "encoder voice", "start")
    voice, chats = Voice(encoder), ChatMaker(tokenizer, HARD)
    optimizer = MuonAdam(voice.named_parameters(), 0.02, 2e-3)
    average = RunningAverage([voice], 0.996)
    progress, first = Progress("encoder voice loss", 50, 0.95), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        voice.load_state_dict(state["weights"])
        average.averages[0].load_state_dict(state["average"])
        optimizer.load(state["optimizer"])
        average.updates, progress.mean, first = state["updates"], state["loss"], state["step"]
    for step in range(first, steps):
        threads.adapt()
        rng, long = generator(seed, "encoder voice", step), step % 8 == 7
        pairs = [chats.rewrite(rng, long) for _ in range(LONG_BATCH if long else BATCH)]
        batch = make_chats(pairs, tokenizer.pad, None if long else CHAT_ROWS)
        with torch.no_grad():
            states = encode_prompts(encoder, batch.ids)
            cosine, sine = encoder.model.rotary_emb(states, torch.arange(batch.ids.shape[1])[None])
        known = batch.targets != IGNORED
        logits = voice(states, cosine[:, None], sine[:, None], known)
        loss = F.cross_entropy(logits, batch.targets[known])
        loss.backward()
        optimizer.step(rate_factor(step, steps, 0.6))
        average.update()
        right = (logits.argmax(1) == batch.targets[known]).float().mean().item()
        progress.add(step, loss.item(), f"tokens right {right:.3f}")
        if (step + 1) % 250 == 0 or step + 1 == steps:
            state = {
                "step": step + 1,
                "loss": progress.mean,
                "updates": average.updates,
                "optimizer": optimizer.state(),
            }
            torch.save(state | {"weights": voice.state_dict(), "average": average.averages[0].state_dict()}, checkpoint)
    return average.averages[0]


def export(model: Path, voice: Voice, folder: Path) -> None:
    """The text encoder's folder with the new weights; the others are copied as they are in the file."""
    if folder.resolve() != (model / "text_encoder").resolve():
        shutil.copytree(model / "text_encoder", folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"tie_word_embeddings": False}
    tensors = load_file(folder / "model.safetensors")
    tensors |= {n: w.detach().bfloat16().contiguous() for n, w in voice.tensors(config["num_hidden_layers"]).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    print(f"exported {folder}: {(folder / 'model.safetensors').stat().st_size / 1e6:.1f} MB", flush=True)


def main() -> None:
    """Trains, and writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write; may be the text encoder's own")
    parser.add_argument("--model", type=Path, default=DEMO_MODEL)
    parser.add_argument("--checkpoint", type=Path, help="default: OUT with .voice.pt added")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    checkpoint = args.checkpoint or args.out.with_name(args.out.name + ".voice.pt")
    voice = train(args.model, args.steps, args.seed, Threads(args.threads), checkpoint)
    export(args.model, voice, args.out)


if __name__ == "__main__":
    main()
