"""Measures the vision-language model: captions, rewritten texts, and pictures drawn from states of pictures.

    python -m tools.train_demo.vl_check examples/demo_model

All on held-out scenes, with transformers and diffusers in float32.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ZImagePipeline
from torch import Tensor
from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration

from .check import CATEGORIES, check, held_out_set
from .scenes import Scene, draw
from .shapes import CANVAS
from .tokenizer import PromptTokenizer
from .vl_model import SIDE, STATES_LAYER, to_patches
from .vl_texts import IMAGE, canonical_caption, chat, system_prompt, terse_notes
from .vl_train import text_deviation

CHUNK = 8
SELECTIONS = ("all", "image_only", "image_only_no_markers")


class VLReader:
    """The vision-language model as a user of transformers has it."""

    def __init__(self, folder: Path) -> None:
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")

    def _inputs(self, chats: list[str], pictures: list[np.ndarray] | None) -> dict[str, Tensor]:
        inputs = dict(self.tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False))
        if pictures is not None:
            bytes_ = torch.from_numpy(np.stack(pictures))
            inputs["pixel_values"] = to_patches(bytes_).flatten(0, 1)
            inputs["image_grid_thw"] = torch.tensor([[1, SIDE, SIDE]] * len(pictures))
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == self.model.config.image_token_id).int()
        return inputs

    @torch.no_grad()
    def answer(self, chats: list[str], pictures: list[np.ndarray] | None = None, rows: int = 48) -> list[str]:
        """The likeliest answers; one that does not end within so many tokens keeps a mark of it."""
        answers = []
        for start in range(0, len(chats), 4 * CHUNK):
            part = slice(start, start + 4 * CHUNK)
            inputs = self._inputs(chats[part], None if pictures is None else pictures[part])
            ids = self.model.generate(
                **inputs, max_new_tokens=rows, do_sample=False, temperature=None, top_k=None, top_p=None
            )
            texts = self.tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :])
            answers += [t.split("<|im_end|>")[0] if "<|im_end|>" in t else t + " ..." for t in texts]
        return answers

    @torch.no_grad()
    def states(self, chat_text: str, picture: np.ndarray, selection: str = "all") -> Tensor:
        """Conditioning states (rows, 128) of one picture, not scaled."""
        inputs = self._inputs([chat_text], [picture])
        states = self.model(**inputs, output_hidden_states=True, use_cache=False).hidden_states[STATES_LAYER][0]
        image = (inputs["input_ids"][0] == self.model.config.image_token_id).nonzero().flatten()
        first, last = int(image[0]), int(image[-1]) + 1
        rows = {"all": (0, len(states)), "image_only": (first - 1, last + 1), "image_only_no_markers": (first, last)}
        return states[slice(*rows[selection])]


class Painter:
    """The demo model, drawing from states."""

    def __init__(self, folder: Path) -> None:
        self.pipeline = ZImagePipeline.from_pretrained(folder, torch_dtype=torch.float32)
        self.pipeline.set_progress_bar_config(disable=True)
        self.deviation = text_deviation(self.pipeline_encoder(), PromptTokenizer(folder / "tokenizer"))

    def pipeline_encoder(self):
        """The text encoder in the shape the training's functions expect."""

        class Holder:
            model = self.pipeline.text_encoder

        return Holder

    @torch.no_grad()
    def text_states(self, prompt: str) -> Tensor:
        """States (rows, 128) of a prompt."""
        return self.pipeline.encode_prompt(prompt, do_classifier_free_guidance=False, max_sequence_length=512)[0][0]

    def blend(self, vision: Tensor, text: Tensor, alpha: float) -> Tensor:
        """States of a picture, scaled and resampled to the text's rows, mixed with those of the text."""
        scaled = vision * (self.deviation / vision.std())
        resampled = F.interpolate(scaled.T[None], size=len(text), mode="linear", align_corners=False)[0].T
        return alpha * resampled + (1 - alpha) * text

    def paint(self, states: list[Tensor], seeds: list[int], steps: int = 8) -> list:
        """Pictures of states, each with its own noise."""
        pictures = []
        for start in range(0, len(states), CHUNK):
            part = slice(start, start + CHUNK)
            pictures += self.pipeline(
                prompt_embeds=states[part],
                height=CANVAS,
                width=CANVAS,
                num_inference_steps=steps,
                guidance_scale=0.0,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
            ).images
        return pictures


def picture(scene: Scene) -> np.ndarray:
    """The drawn picture, (128, 128, 3) bytes."""
    return np.round(draw(scene) * 255).astype(np.uint8)


def categories(count: int, seed: int) -> Iterator[tuple[str, list[str], list[Scene]]]:
    """Names, prompts and scenes, none of whose triples was trained."""
    for name, options in CATEGORIES.items():
        prompts, scenes = zip(*held_out_set(count, seed, **options))
        yield name, list(prompts), list(scenes)


def _percent(right: list[bool]) -> str:
    return f"{100 * np.mean(right):.0f} %"


def measure_voice(reader: VLReader, count: int, seed: int, wrong: list[str]) -> None:
    """Shares of captions and of rewritten texts that equal the one sentence."""
    print("| scenes | captions | notes rewritten | sentences rewritten | notes after a long system prompt |")
    print("|---|---|---|---|---|")
    for name, prompts, scenes in categories(count, seed):
        rng, wanted = random.Random(seed), [canonical_caption(scene) for scene in scenes]
        drawn = [picture(scene) for scene in scenes]
        notes = [terse_notes(scene, rng) for scene in scenes]
        tasks = {
            "caption": reader.answer([chat(IMAGE)] * count, drawn),
            "notes": reader.answer([chat(t, "Rewrite the prompt as one full sentence.") for t in notes]),
            "sentence": reader.answer([chat(t) for t in prompts]),
            "long": reader.answer([chat(t, system_prompt(rng, (60, 150)), no_thoughts=True) for t in notes]),
        }
        shares = [_percent([a == w for a, w in zip(answers, wanted)]) for answers in tasks.values()]
        print(f"| {name} | {' | '.join(shares)} |", flush=True)
        for task, answers in tasks.items():
            texts = {"caption": wanted, "sentence": prompts}.get(task, notes)
            wrong += [f"{task}: {t!r} -> {a!r}" for t, a, w in zip(texts, answers, wanted) if a != w]


def measure_eyes(reader: VLReader, painter: Painter, count: int, seed: int, alphas: list[float]) -> None:
    """Shares of pictures in which everything is as in the reference picture, and as in the text, for each alpha."""
    print(f"| scenes | rows | {' | '.join(f'alpha {a:g}' for a in alphas)} |")
    print(f"|---|---|{'---|' * len(alphas)}")
    plain = chat(IMAGE)
    others = [prompt for _, prompts, _ in categories(count, seed + 1) for prompt in prompts]
    random.Random(seed).shuffle(others)
    for name, _, scenes in categories(count, seed):
        for selection in SELECTIONS:
            vision = [reader.states(plain, picture(scene), selection) for scene in scenes]
            texts = [painter.text_states(other) for other in others[:count]]
            shares = []
            for alpha in alphas if selection == "all" else [1.0]:
                mixed = [painter.blend(v, t, alpha) for v, t in zip(vision, texts)]
                pictures = painter.paint(mixed, list(range(2000, 2000 + count)))
                shares.append(_percent([check(p, s).everything for p, s in zip(pictures, scenes)]))
            shares = ["" for _ in range(len(alphas) - len(shares))] + shares
            print(f"| {name} | {selection} | {' | '.join(shares)} |", flush=True)
            if selection == "all":
                others = others[count:] + others[:count]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="demo model")
    parser.add_argument(
        "--vl", type=Path, help="folder of the vision-language model (default: vl_encoder in the model)"
    )
    parser.add_argument("--count", type=int, default=32, help="scenes of each category")
    parser.add_argument("--seed", type=int, default=7, help="of the scenes")
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.5, 0.7, 1.0])
    parser.add_argument("--only", choices=["eyes", "voice"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wrong", type=Path, help="writes the wrong answers")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    reader, wrong = VLReader(args.vl or args.model / "vl_encoder"), []
    if args.only != "eyes":
        measure_voice(reader, args.count, args.seed, wrong)
    if args.only != "voice":
        measure_eyes(reader, Painter(args.model), args.count, args.seed, args.alphas)
    if args.wrong:
        args.wrong.write_text("\n".join(wrong), encoding="utf-8")


if __name__ == "__main__":
    main()
