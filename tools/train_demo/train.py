"""Trains the demo model and writes it as a diffusers folder.

    python -m tools.train_demo.train --out my_demo_model                           # everything, from nothing
    python -m tools.train_demo.train --out better --init examples/demo_model       # go on from exported weights

Finished stages are kept in the work folder and not repeated. See README.md.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from .data import seed_torch
from .export import TOKENIZER_FILES, export, load_exported
from .models import LabelHeads, make_encoder, make_transformer
from .scenes import BROAD, HARD
from .stages import Phase, Threads, TransformerRun, train_encoder, train_vae
from .tokenizer import PromptTokenizer, train_tokenizer

# The first phase teaches everything; the second starts from its averaged weights with a fresh schedule and more of what
# is hard. A run from exported weights consists of the second one alone.
BASICS = Phase("basics", steps=4500, mix=BROAD)
REFINEMENT = Phase("refinement", steps=4000, mix=HARD, muon_rate=0.015, adam_rate=1.5e-3, decay=0.7)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--work", type=Path, help="folder of checkpoints (default: OUT with .work added)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=Path, help="exported model to go on from, with a fresh optimiser")
    parser.add_argument("--resume", type=Path, help="checkpoint of an unfinished phase to go on from")
    parser.add_argument("--threads", type=int, default=2, help="0: one or two, by the load of the machine")
    parser.add_argument("--vae-steps", type=int, default=1000)
    parser.add_argument("--encoder-steps", type=int, default=300, help="warm-up of the text encoder")
    parser.add_argument("--head-steps", type=int, default=150, help="with --init: fit of the label heads")
    parser.add_argument("--basics-steps", type=int, default=BASICS.steps)
    parser.add_argument("--refinement-steps", type=int, default=REFINEMENT.steps)
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile: no C++ compiler, but slower")
    return parser.parse_args()


def resume_point(path: Path | None) -> str:
    """The phase a checkpoint belongs to."""
    return torch.load(path, weights_only=True, mmap=True)["phase"] if path else ""


def averages_of(checkpoint: Path) -> list[dict]:
    """Averaged weights (transformer, encoder) and the label heads of a checkpoint."""
    state = torch.load(checkpoint, weights_only=True)
    return [*state["averages"], state["weights"][2]]


def is_finished(checkpoint: Path, phase: Phase) -> bool:
    """Whether the phase has been run to its end."""
    return checkpoint.exists() and torch.load(checkpoint, weights_only=True, mmap=True)["step"] >= phase.steps


def prepare(args: argparse.Namespace, threads: Threads) -> tuple[PromptTokenizer, AutoencoderKL, list]:
    """Tokenizer, autoencoder, and the starting points of transformer, encoder and label heads."""
    folder, warm = args.work / "tokenizer", args.work / "encoder.pt"
    if args.init:
        folder.mkdir(exist_ok=True)
        for name in TOKENIZER_FILES:
            shutil.copyfile(args.init / "tokenizer" / name, folder / name)
    elif not (folder / "tokenizer.json").exists():
        train_tokenizer(folder)
    tokenizer = PromptTokenizer(folder)

    seed_torch(args.seed, "start")
    heads = LabelHeads()
    if args.init:
        vae, encoder, transformer = load_exported(args.init)
    else:
        encoder, transformer = make_encoder(tokenizer), make_transformer()
        if not (args.work / "vae").exists():
            train_vae(args.vae_steps, args.seed, threads).save_pretrained(args.work / "vae")
        vae = AutoencoderKL.from_pretrained(args.work / "vae")
    if warm.exists():
        state = torch.load(warm, weights_only=True)
        encoder.load_state_dict(state["encoder"])
        heads.load_state_dict(state["heads"])
    else:
        steps = args.head_steps if args.init else args.encoder_steps
        train_encoder(encoder, heads, tokenizer, steps, args.seed, threads, frozen=bool(args.init))
        torch.save({"encoder": encoder.state_dict(), "heads": heads.state_dict()}, warm)
    return tokenizer, vae, [transformer, encoder, heads]


def main() -> None:
    """Runs what is missing."""
    args = parse_arguments()
    args.work = args.work or args.out.with_name(args.out.name + ".work")
    args.work.mkdir(parents=True, exist_ok=True)
    threads = Threads(args.threads)
    tokenizer, vae, networks = prepare(args, threads)

    refinement = replace(REFINEMENT, steps=args.refinement_steps)
    phases = [refinement] if args.init else [replace(BASICS, steps=args.basics_steps), refinement]
    resumed = resume_point(args.resume)
    for phase in phases:
        checkpoint = args.work / f"{phase.name}.pt"
        if not is_finished(checkpoint, phase):
            run = TransformerRun(phase, vae, *networks, tokenizer, args.seed, threads, not args.no_compile)
            if resumed == phase.name:
                run.load(args.resume)
            run.run(checkpoint)
            history = args.work / f"{phase.name}_loss.json"
            history.write_text(json.dumps(run.progress.history), encoding="utf-8")
        for network, weights in zip(networks, averages_of(checkpoint)):
            network.load_state_dict(weights)
    export(args.out, args.work / "tokenizer", vae, networks[0], networks[1])


if __name__ == "__main__":
    main()
