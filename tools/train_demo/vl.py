"""Trains the demo's vision-language model and writes it as a folder in the published layout.

    python -m tools.train_demo.vl --out my_vl_encoder

The text encoder, transformer and autoencoder it must fit are those of `--model` and stay as they are. See README.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from .data import seed_torch
from .export import load_exported
from .lora import DEMO_MODEL
from .scenes import BROAD
from .stages import Threads
from .tokenizer import PromptTokenizer
from .vl_export import export_vl
from .vl_model import make_vl, start_from_encoder
from .vl_train import PatchHeads, VLPhase, VLRun

PHASES = (
    VLPhase("eyes", steps=600, mix=BROAD, pictures=32, decay=0.4),
    VLPhase("states", steps=600),
    VLPhase("voice", steps=600, pictures=16, texts=16),
)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--model", type=Path, default=DEMO_MODEL, help="the demo model it belongs to")
    parser.add_argument("--work", type=Path, help="folder of checkpoints (default: OUT with .work added)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path, help="checkpoint of an unfinished phase to go on from")
    parser.add_argument("--export", action="store_true", help="train nothing, write what the checkpoints hold")
    parser.add_argument("--threads", type=int, default=2, help="0: one or two, by the load of the machine")
    for phase in PHASES:
        parser.add_argument(f"--{phase.name}-steps", type=int, default=phase.steps)
    return parser.parse_args()


def main() -> None:
    """Runs what is missing."""
    args = parse_arguments()
    args.work = args.work or args.out.with_name(args.out.name + ".work")
    args.work.mkdir(parents=True, exist_ok=True)
    threads = Threads(args.threads)
    tokenizer = PromptTokenizer(args.model / "tokenizer")
    frozen = load_exported(args.model)
    for network in frozen:
        network.eval().requires_grad_(False)
    seed_torch(args.seed, "start of the vision-language model")
    networks = make_vl(tokenizer), PatchHeads()
    start_from_encoder(networks[0], frozen[1])
    resumed = torch.load(args.resume, weights_only=True, mmap=True)["phase"] if args.resume else ""
    for phase in PHASES:
        phase = replace(phase, steps=getattr(args, f"{phase.name}_steps"))
        checkpoint = args.work / f"{phase.name}.pt"
        state = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else {"step": 0}
        if state["step"] < phase.steps and not args.export:
            run = VLRun(phase, networks, frozen, tokenizer, args.seed, threads)
            if resumed == phase.name:
                run.load(args.resume)
            run.run(checkpoint)
            state = torch.load(checkpoint, weights_only=True)
        if "averages" in state:
            for network, weights in zip(networks, state["averages"]):
                network.load_state_dict(weights)
    export_vl(args.out, args.model / "tokenizer", networks[0])


if __name__ == "__main__":
    main()
