"""Draws a LoRA of the demo model over scales: prompts from top to bottom, scales from left to right.

    python -m tools.train_demo.lora_row docs/pictures/lora_scales.png

It needs the llmdit module.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .lora import DEMO_MODEL, SHIPPED
from .shapes import CANVAS

PROMPTS = (
    "a red circle on a white background",
    "a yellow triangle left of a green square on a blue background",
    "a big orange heart on a purple background",
)
SCALES = (0.0, 0.5, 0.75, 1.0, 1.5)
GAP, HEAD = 4, 20  # pixels between pictures; above them


def draw_row(lora: Path, prompts: Sequence[str], scales: Sequence[float], seed: int, steps: int) -> Image.Image:
    """One column of pictures, all from the same noise, below each scale."""
    import llmdit

    pipe = llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL)
    cell = CANVAS + GAP
    sheet = Image.new("RGB", (len(scales) * cell - GAP, HEAD + len(prompts) * cell - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, scale in enumerate(scales):
        pen.text((column * cell + CANVAS / 2, HEAD / 2), f"{scale:g}", fill="black", font=font, anchor="mm")
        pipe.unload_loras()
        pipe.load_lora(lora, scale, strict=True)
        for row, prompt in enumerate(prompts):  # one by one: a seed of their own for each would differ in noise
            picture = pipe(prompt, seed=seed, num_inference_steps=steps).images[0]
            sheet.paste(picture, (column * cell, HEAD + row * cell))
    return sheet


def main() -> None:
    """Writes the row as PNG of 128 colours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="picture to write")
    parser.add_argument("--lora", type=Path, default=SHIPPED)
    parser.add_argument("--prompt", action="append", help="instead of the usual ones; may be given several times")
    parser.add_argument("--scales", type=float, nargs="+", default=SCALES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    sheet = draw_row(args.lora, args.prompt or PROMPTS, args.scales, args.seed, args.steps)
    args.path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128, kmeans=3, dither=Image.Dither.NONE).save(args.path, optimize=True)


if __name__ == "__main__":
    main()
