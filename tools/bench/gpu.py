"""Measures llmdit against diffusers and transformers on a GPU, on a model of all published sizes, and prints a table.

    python -m tools.bench.gpu --work /tmp/bench                   # writes 20 GB of models once
    python -m tools.bench.gpu --work /tmp/bench --size 512 --json gpu.json
    python -m tools.bench.gpu --work /tmp/bench --quick --device cpu       # does it run at all?

Times are medians, of what takes seconds of one or two runs; memory is what libtorch's allocator gave out at most, which
both take theirs from.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .case import PROMPT, TIME, latents_of, random_tensor
from .models import build_folders
from .sizes import QUICK, Sizes

# Of ours, by how the weights of the blocks are kept.
KINDS = {"llmdit, bfloat16": "none", "llmdit, int8": "int8", "llmdit, int4": "int4"}
WRITTEN = 64
JOBS = ("steps", "encode", "decode", "pictures")


@dataclass
class Row:
    """What one tool does of one piece of work."""

    work: str
    tool: str
    seconds: float
    gigabytes: float
    """At most, of weights and all else."""
    distance: float | None = None
    """Norm of the difference to float32 over its norm."""


class Bench:
    """Runs one piece of work after another, each with the device to itself."""

    def __init__(self, folder: Path, device: str, pixels: int, rounds: int) -> None:
        self.folder, self.device, self.pixels, self.rounds = folder, device, pixels, rounds
        self.rows: list[Row] = []
        self.references: dict[str, torch.Tensor] = {}

    def run(self, work: str, tool: str, load: Callable[[], Callable[[], Any]], rounds: int | None = None) -> None:
        """`load` gives what is timed, which gives its result; the float32 one of each work must come first."""
        self.forget()
        stage = load()
        result = stage()
        seconds = []
        for _ in range(self.rounds if rounds is None else rounds):
            self.wait()
            start = time.perf_counter()
            result = stage()
            self.wait()
            seconds.append(time.perf_counter() - start)
        distance = None
        if isinstance(result, torch.Tensor):
            result = result.float().cpu()
            wanted = self.references.setdefault(work, result)
            distance = ((result - wanted).norm() / wanted.norm()).item() if wanted is not result else None
        row = Row(work, tool, statistics.median(seconds), self.peak(), distance)
        self.rows.append(row)
        print(line(row), flush=True)

    def wait(self) -> None:
        """For what the device still does."""
        if self.device != "cpu":
            torch.cuda.synchronize()

    def forget(self) -> None:
        """Gives the memory of what came before back."""
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> float:
        """Gigabytes since forget()."""
        return torch.cuda.max_memory_allocated() / 1e9 if self.device != "cpu" else 0.0

    # --- the transformer

    def steps(self) -> None:
        """One step of one picture, its prompt of 64 tokens conditioned each time by diffusers, once by us."""
        import llmdit
        from diffusers import ZImageTransformer2DModel

        latents = latents_of(self.pixels)
        config = json.loads((self.folder / "transformer/config.json").read_text(encoding="utf-8"))
        caption = random_tensor(64, config["cap_feat_dim"])

        def theirs(dtype: torch.dtype) -> Callable[[], Any]:
            model = ZImageTransformer2DModel.from_pretrained(self.folder, subfolder="transformer", dtype=dtype)
            model.to(self.device)
            inputs = list(latents.to(self.device, dtype).unsqueeze(2))
            words, at = [caption.to(self.device, dtype)], torch.tensor([TIME], device=self.device)
            return lambda: torch.stack(model(inputs, at, words, return_dict=False)[0]).squeeze(2)

        def ours(**options: Any) -> Callable[[], Any]:
            model = llmdit.ZImageTransformer.from_pretrained(
                self.folder, subfolder="transformer", device=self.device, **options
            )
            words = model.condition([caption])
            return lambda: model(latents, TIME, words)

        self.run("step", "diffusers, float32", lambda: theirs(torch.float32), rounds=1)
        self.run("step", "diffusers, bfloat16", lambda: theirs(torch.bfloat16))
        for tool, kind in KINDS.items():
            self.run("step", tool, partial(ours, quantization=kind))

    # --- the text encoder

    def encode(self) -> None:
        """A prompt of 20 tokens, by diffusers' pipeline padded to 512; and words written after it."""
        import llmdit
        from diffusers import ZImagePipeline
        from transformers import AutoTokenizer, Qwen3ForCausalLM

        def theirs(dtype: torch.dtype) -> Callable[[], Any]:
            pipeline = ZImagePipeline.from_pretrained(self.folder, dtype=dtype, transformer=None, vae=None)
            pipeline.to(self.device)
            return lambda: pipeline.encode_prompt(PROMPT, do_classifier_free_guidance=False)[0][0]

        def ours(**options: Any) -> Any:
            return llmdit.ZImageTextEncoder.from_pretrained(
                self.folder, subfolder="text_encoder", device=self.device, **options
            )

        def encoding(**options: Any) -> Callable[[], Any]:
            encoder, text = ours(**options), llmdit.format_prompt(PROMPT)
            return lambda: encoder.encode(text).embeddings[0]

        self.run("encode", "diffusers, float32", lambda: theirs(torch.float32), rounds=1)
        self.run("encode", "diffusers, bfloat16", lambda: theirs(torch.bfloat16))
        for tool, kind in KINDS.items():
            self.run("encode", tool, partial(encoding, quantization=kind))

        greedy = {"temperature": 0.0, "repetition_penalty": 1.0, "max_new_tokens": WRITTEN}

        def their_words() -> Callable[[], Any]:
            tokenizer = AutoTokenizer.from_pretrained(self.folder / "tokenizer")
            model = Qwen3ForCausalLM.from_pretrained(self.folder / "text_encoder", dtype=torch.bfloat16)
            model.to(self.device)
            ids = tokenizer(PROMPT, return_tensors="pt").input_ids.to(self.device)
            one = {"do_sample": False, "min_new_tokens": WRITTEN, "max_new_tokens": WRITTEN}
            return lambda: [model.generate(ids, **one)]

        def our_words(**options: Any) -> Callable[[], Any]:
            encoder = ours(**options)
            return lambda: [encoder.generate(PROMPT, **greedy)]

        work = f"{WRITTEN} tokens"
        self.run(work, "transformers, bfloat16", their_words, rounds=1)
        for tool, kind in KINDS.items():
            self.run(work, tool, partial(our_words, quantization=kind), rounds=1)

    # --- the autoencoder, and all of it

    def decode(self) -> None:
        """One picture."""
        import llmdit
        from diffusers import AutoencoderKL

        latents = latents_of(self.pixels)

        def theirs(dtype: torch.dtype) -> Callable[[], Any]:
            vae: Any = AutoencoderKL.from_pretrained(self.folder, subfolder="vae", dtype=dtype).to(self.device)
            given = latents.to(self.device, dtype)
            return lambda: vae.decode(given).sample

        def ours(**options: Any) -> Callable[[], Any]:
            vae = llmdit.AutoencoderKL.from_pretrained(self.folder, subfolder="vae", device=self.device, **options)
            return lambda: vae.decode(latents)

        self.run("decode", "diffusers, float32", lambda: theirs(torch.float32))
        self.run("decode", "diffusers, bfloat16", lambda: theirs(torch.bfloat16))
        self.run("decode", "llmdit, float32", lambda: ours(dtype="float32"))
        self.run("decode", "llmdit, bfloat16", lambda: ours())

    def pictures(self) -> None:
        """From the prompt, in 8 steps; models in memory, and taking turns."""
        import llmdit
        from diffusers import ZImagePipeline

        size = {"width": self.pixels, "height": self.pixels, "num_inference_steps": 8}

        def theirs() -> Callable[[], Any]:
            pipeline = ZImagePipeline.from_pretrained(self.folder, dtype=torch.bfloat16).to(self.device)
            pipeline.set_progress_bar_config(disable=True)
            return lambda: [pipeline(PROMPT, guidance_scale=0.0, **size)]

        def ours(**options: Any) -> Callable[[], Any]:
            pipeline = llmdit.ZImagePipeline.from_pretrained(self.folder, device=self.device, **options)
            return lambda: [pipeline(PROMPT, seed=1, **size)]

        self.run("picture", "diffusers, bfloat16", theirs, rounds=2)
        self.run("picture", "llmdit, bfloat16", ours, rounds=2)
        self.run("picture", "llmdit, bfloat16, cpu_offload", lambda: ours(cpu_offload=True), rounds=1)
        self.run("picture", "llmdit, int4", lambda: ours(quantization="int4"), rounds=1)


def line(row: Row) -> str:
    """Of the table."""
    distance = "" if row.distance is None else f"{row.distance:.2g}"
    return f"| {row.work} | {row.tool} | {1000 * row.seconds:.1f} | {row.gigabytes:.2f} | {distance} |"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the models, outside the repository")
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"of {', '.join(JOBS)} (default: all)")
    parser.add_argument("--size", type=int, help="side of the picture in pixels (default: 1024, with --quick 64)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small models: a smoke run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    args = parser.parse_args()
    jobs = args.jobs.split(",")
    if unknown := [job for job in jobs if job not in JOBS]:
        parser.error(f"no job {', '.join(unknown)}; there are {', '.join(JOBS)}")
    if args.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"expected a GPU for --device {args.device}, found none: torch {torch.__version__} sees no card")
    sizes = QUICK if args.quick else Sizes().full
    folder = args.work / sizes.name / "drawn-for-gpu"
    build_folders({"bfloat16": folder}, sizes, args.device)
    torch.set_grad_enabled(False)
    bench = Bench(folder, args.device, args.size or (64 if args.quick else 1024), args.rounds)
    name = torch.cuda.get_device_name() if args.device != "cpu" else "CPU"
    print(f"{name}, torch {torch.__version__}, {bench.pixels} x {bench.pixels} pixels\n")
    print("| work | tool | ms | GB | distance |\n|---|---|---|---|---|", flush=True)
    for job in jobs:
        getattr(bench, job)()
    if args.json:
        document = {"device": name, "torch": torch.__version__, "pixels": bench.pixels}
        args.json.write_text(json.dumps(document | {"rows": [asdict(row) for row in bench.rows]}), encoding="utf-8")


if __name__ == "__main__":
    main()
