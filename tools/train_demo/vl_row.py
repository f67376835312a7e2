"""Draws what a reference picture does to a prompt: pairs from top to bottom, the picture and then alphas beside it.

python -m tools.train_demo.vl_row docs/pictures/vl_alphas.png
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .lora import DEMO_MODEL
from .scenes import Scene, Thing
from .shapes import CANVAS
from .vl_check import Painter, VLReader, picture
from .vl_texts import IMAGE, chat

PAIRS = (
    (Scene("yellow", "yellow", things=[Thing("star", "blue")]), "a red circle on a white background"),
    (
        Scene(
            "white",
            "white",
            things=[Thing("heart", "red", x=-0.48, radius=0.36), Thing("square", "green", x=0.48, radius=0.36)],
            relation="left",
        ),
        "a big orange triangle on a purple background",
    ),
    (
        Scene("black", "black", things=[Thing("ring", "white", "big", radius=0.72)]),
        "a green diamond above a pink cross on a cyan background",
    ),
)
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
GAP, HEAD = 4, 20  # pixels between pictures; above them


def draw_rows(model: Path, vl: Path, seed: int) -> Image.Image:
    """One row for each pair: its picture, then what is drawn with more and more of it."""
    reader, painter = VLReader(vl), Painter(model)
    cell = CANVAS + GAP
    sheet = Image.new("RGB", ((1 + len(ALPHAS)) * cell - GAP, HEAD + len(PAIRS) * cell - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, text in enumerate(("picture", *(f"{alpha:g}" for alpha in ALPHAS))):
        pen.text((column * cell + CANVAS / 2, HEAD / 2), text, fill="black", font=font, anchor="mm")
    for row, (scene, prompt) in enumerate(PAIRS):
        reference = picture(scene)
        vision, text = reader.states(chat(IMAGE), reference), painter.text_states(prompt)
        mixed = [painter.blend(vision, text, alpha) for alpha in ALPHAS]
        drawn = [Image.fromarray(reference), *painter.paint(mixed, [seed] * len(ALPHAS))]
        for column, image in enumerate(drawn):
            sheet.paste(image, (column * cell, HEAD + row * cell))
    return sheet


def main() -> None:
    """Writes the rows as PNG of 128 colours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="picture to write")
    parser.add_argument("--model", type=Path, default=DEMO_MODEL)
    parser.add_argument("--vl", type=Path, help="default: vl_encoder in the model")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    sheet = draw_rows(args.model, args.vl or args.model / "vl_encoder", args.seed)
    args.path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128, kmeans=3, dither=Image.Dither.NONE).save(args.path, optimize=True)


if __name__ == "__main__":
    main()
