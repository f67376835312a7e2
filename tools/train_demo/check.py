"""Says whether pictures mean what their prompts say, by measuring them.

    python -m tools.train_demo.check examples/demo_model --sheet sheet.png
    python -m tools.train_demo.check --drawn                  # the checker on drawn, hence right, pictures

`check` and `held_out_set` need only NumPy; diffusers is imported when a model has to draw.
"""

import argparse
import json
import random
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from .captions import caption
from .scenes import BROAD, COLOUR_NAMES, COLOURS, PLAIN, Mix, Scene, Thing, draw, random_scene
from .shapes import CANVAS, SHAPES, pixel_grid

MIN_PIXELS = 40  # less than this is no object
MIN_OVERLAP = 0.6  # of a mask with the template of its shape (intersection over union)
MAX_OFFSET = 0.2  # of an object's centre, in canvas units (the canvas is 2 wide)

_PALETTE = np.float32([COLOURS[c] for c in COLOUR_NAMES])
_X, _Y = pixel_grid()


@dataclass(frozen=True)
class Verdict:
    """What is right in one picture; the worst object counts. `overlap`: of the worst mask with its best template."""

    background: bool
    colour: bool
    shape: bool
    position: bool
    overlap: float

    @property
    def everything(self) -> bool:
        """Whether all four properties are right."""
        return self.background and self.colour and self.shape and self.position


def _distance(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.sqrt(((picture - colour) ** 2).sum(-1))


def _colour_name(colour: np.ndarray) -> str:
    return COLOUR_NAMES[int(((_PALETTE - colour) ** 2).sum(1).argmin())]


def _centre(mask: np.ndarray) -> tuple[float, float]:
    total = mask.sum()
    return float((_X * mask).sum() / total), float((_Y * mask).sum() / total)


def _fitted_template(shape: str, outline: bool, centre: tuple[float, float], area: float) -> np.ndarray | None:
    """The mask of a shape with the given centre of mass and area."""
    thing = Thing(shape, "black", outline=outline, radius=0.5)
    for _ in range(3):  # outlines do not grow with the square of the radius, hence again
        thing.radius *= float(np.sqrt(area / max(thing.cover(_X, _Y).sum(), 1)))
        if not 0.05 < thing.radius < 0.98:
            break
    cover = thing.cover(_X, _Y)
    if cover.sum() < 1:
        return None
    own = _centre(cover)
    thing.x, thing.y = centre[0] - own[0], centre[1] - own[1]
    return thing.cover(_X, _Y) > 0.5


def classify(mask: np.ndarray) -> tuple[str | None, bool, float]:
    """The shape whose template covers the mask best, whether as an outline, and the overlap."""
    area = float(mask.sum())
    if area < MIN_PIXELS:
        return None, False, 0.0
    centre, best = _centre(mask), (None, False, 0.0)
    for shape in SHAPES:
        for outline in (False,) if shape == "ring" else (False, True):
            template = _fitted_template(shape, outline, centre, area)
            if template is None:
                continue
            overlap = float((template & mask).sum() / max((template | mask).sum(), 1))
            if overlap > best[2]:
                best = (shape, outline, overlap)
    return best


def _background(picture: np.ndarray, scene: Scene) -> tuple[bool, np.ndarray]:
    """Whether the background is right, and the background each pixel is compared with."""
    if scene.background_kind == "flat":
        rim = np.ones(picture.shape[:2], bool)
        rim[3:-3, 3:-3] = False
        colour = np.median(picture[rim], 0)
        return _colour_name(colour) == scene.background, np.broadcast_to(colour, picture.shape)
    expected = draw(replace(scene, things=[])) * 255
    around = [replace(t, outline=False, radius=t.radius * 1.2).cover(_X, _Y) > 0 for t in scene.things]
    free = ~np.any(around, axis=0)
    return bool(np.abs(picture - expected)[free].mean() < 30), expected


def _separate(picture: np.ndarray, behind: np.ndarray, scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """Colour and mask of each object, each in the part of the canvas that is nearest to where it should be."""
    contrast = _distance(picture, behind)
    nearest = np.argmin([(_X - t.x) ** 2 + (_Y - t.y) ** 2 for t in scene.things], axis=0)
    found = []
    for index in range(len(scene.things)):
        own = nearest == index
        visible = own & (contrast > 50)
        if visible.sum() < MIN_PIXELS:
            found.append((np.zeros(3), np.zeros_like(own)))
            continue
        core = visible & (contrast > 0.6 * np.percentile(contrast[visible], 80))  # without the soft edge
        colour = np.median(picture[core], 0)
        found.append((colour, own & (_distance(picture, colour) < contrast)))
    return found


def _nested(picture: np.ndarray, behind: np.ndarray, scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """Colour and mask of the outer and the inner object of "one inside the other"."""
    outer, inner = scene.things
    heart = replace(inner, radius=inner.radius * 0.7).cover(_X, _Y) > 0.5
    room = replace(inner, shape="circle", radius=inner.radius * 1.5).cover(_X, _Y) > 0
    shell = (replace(outer, radius=outer.radius * 0.9).cover(_X, _Y) > 0.5) & ~room
    colours = [np.median(picture[part], 0) if part.any() else np.zeros(3) for part in (shell, heart)]
    to_outer, to_inner = (_distance(picture, colour) for colour in colours)
    contrast = _distance(picture, behind)
    inner_mask = room & (to_inner < np.minimum(to_outer, contrast))
    outer_mask = (to_outer < contrast) | inner_mask | (room & (to_inner < contrast))  # what is inside, too
    return [(colours[0], outer_mask), (colours[1], inner_mask)]


def _outline_shows(thing: Thing) -> bool:
    """Whether the thing looks different as an outline; a small moon is all edge."""
    hollow, filled = (replace(thing, outline=o).cover(_X, _Y) > 0.5 for o in (True, False))
    return bool(hollow.sum() < 0.93 * filled.sum())


def _shape_is_right(thing: Thing, shape: str | None, outline: bool, overlap: float) -> bool:
    if overlap <= MIN_OVERLAP:
        return False
    round_hole = thing.shape == "ring" or (thing.shape == "circle" and thing.outline)
    if round_hole:
        return shape == "ring" or (shape == "circle" and outline)  # a hollow circle looks like a ring
    return shape == thing.shape and (outline == thing.outline or not _outline_shows(thing))


def check(picture: np.ndarray, scene: Scene) -> Verdict:
    """Judges a (128, 128, 3) picture of bytes, or anything that becomes one, by the scene it should show."""
    pixels = np.asarray(picture).astype(np.float32)
    background_right, behind = _background(pixels, scene)
    separate = _nested if scene.relation == "inside" else _separate
    colour = shape = position = True
    worst = 1.0
    for thing, (found_colour, mask) in zip(scene.things, separate(pixels, behind, scene)):
        if mask.sum() < MIN_PIXELS:
            return Verdict(background_right, False, False, False, 0.0)
        found_shape, outline, overlap = classify(mask)
        colour &= _colour_name(found_colour) == thing.colour
        shape &= _shape_is_right(thing, found_shape, outline, overlap)
        offset = np.subtract(_centre(mask), _centre(thing.cover(_X, _Y)))
        position &= bool(np.hypot(*offset) < MAX_OFFSET)
        worst = min(worst, overlap)
    return Verdict(background_right, colour, shape, position, worst)


def held_out_set(
    count: int,
    seed: int = 7,
    objects: int = 1,
    mix: Mix = BROAD,
    background_kind: str = "flat",
    relation: str | None = None,
) -> list[tuple[str, Scene]]:
    """Captions and scenes whose (shape, colour, background) triples are never trained. Objects differ in colour."""
    rng, chosen = random.Random(seed), []
    while len(chosen) < count:
        scene = random_scene(rng, mix, True, objects, background_kind, relation)
        if (scene.relation == "inside") != (relation == "inside"):
            continue
        if len({t.colour for t in scene.things}) < objects:
            continue
        chosen.append((caption(scene, rng, long=rng.random() < 0.15), scene))
    return chosen


CATEGORIES = {
    "one plain object": {"mix": PLAIN},
    "one object, sizes and outlines": {},
    "two objects": {"objects": 2},
    "gradient background": {"mix": PLAIN, "background_kind": "gradient"},
    "striped background": {"mix": PLAIN, "background_kind": "stripes"},
    "one object inside another": {"objects": 2, "relation": "inside"},
    "three objects": {"objects": 3},
}

PROPERTIES = ("background", "colour", "shape", "position", "everything")


def summary(verdicts: list[Verdict]) -> dict[str, float]:
    """Shares of right properties in per cent, and the mean overlap."""
    rates = {name: 100 * float(np.mean([getattr(v, name) for v in verdicts])) for name in PROPERTIES}
    return rates | {"overlap": float(np.mean([v.overlap for v in verdicts]))}


def table_row(category: str, count: int, rates: dict[str, float]) -> str:
    """One line of a Markdown table."""
    cells = [f"{rates[name]:.0f} %" for name in PROPERTIES]
    return f"| {category} ({count}) | {' | '.join(cells)} | {rates['overlap']:.2f} |"


TABLE_HEAD = """\
| prompts (number) | background | colour | shape | position | all four | overlap |
|---|---|---|---|---|---|---|"""

SHEET_PROMPTS = [
    "a red circle on a blue background",
    "a yellow star on a black background",
    "a big pink heart on white",
    "a small green triangle in the top left corner on an orange background",
    "a purple hexagon on a yellow background",
    "a blue square left of a red triangle on a white background",
    "a white moon on a dark blue background",
    "a cyan ring on a gray background",
    "a black cross on a pink background",
    "an orange diamond at the bottom on a green background",
    "a red heart above a blue star on a yellow background",
    "a hollow green square on a white background",
    "a brown circle on the right on a cyan background",
    "a yellow circle inside a big purple square on a white background",
    "a red star, a green circle and a blue square on a white background",
    "a white star on a blue to purple gradient background",
    "a black heart on a striped yellow and white background",
    "Draw a big orange triangle on a purple canvas.",
    "a gray square on a red background",
    "a pink circle on the left and a black hexagon on the right on a green background",
    "There is a tiny red dot in the bottom right corner of a white picture",
    "a green star below a yellow moon on a black background",
    "The background is green. In the middle there is a big white circle. Simple shapes only. Sharp lines.",
    "a red heart",
]


def contact_sheet(pictures: list, texts: list[str], path: Path, columns: int = 6) -> None:
    """Pictures with their prompts below."""
    from PIL import Image, ImageDraw

    cell = 200
    sheet = Image.new("RGB", (columns * cell, -(-len(pictures) // columns) * cell), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, text) in enumerate(zip(pictures, texts)):
        left, top = index % columns * cell, index // columns * cell
        sheet.paste(picture, (left + 36, top + 6))
        pen.rectangle((left + 35, top + 5, left + 36 + CANVAS, top + 6 + CANVAS), outline="gray")
        pen.text((left + 6, top + 138), "\n".join(textwrap.wrap(text, 31)), fill="black")
    sheet.save(path, optimize=True)


Painter = Callable[[list[str], int], list]


def model_painter(model: Path, steps: int, guidance: float, dtype: str, threads: int) -> Painter:
    """A function of prompts and a first seed that gives the model's pictures."""
    import torch
    from diffusers import ZImagePipeline

    torch.set_num_threads(threads)
    pipeline = ZImagePipeline.from_pretrained(model, torch_dtype=getattr(torch, dtype))
    pipeline.set_progress_bar_config(disable=True)

    def paint(prompts: list[str], seed: int) -> list:
        pictures = []
        for start in range(0, len(prompts), 8):
            chunk = prompts[start : start + 8]
            generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(chunk))]
            pictures += pipeline(
                chunk,
                height=CANVAS,
                width=CANVAS,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=generators,
                max_sequence_length=128,
            ).images
        return pictures

    return paint


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.time()
    yield
    print(f"{what}: {time.time() - began:.2f} s", flush=True)


def main() -> None:
    """Measures a model, or the checker itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", help="diffusers folder")
    parser.add_argument("--drawn", action="store_true", help="judge drawn pictures: everything should be right")
    parser.add_argument("--count", type=int, default=96, help="prompts of each category")
    parser.add_argument("--seed", type=int, default=7, help="of the prompts")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=0.0)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="writes a contact sheet of fixed prompts")
    parser.add_argument("--json", type=Path, help="writes every prompt with its verdict")
    args = parser.parse_args()
    if args.drawn == bool(args.model):
        parser.error("either a model or --drawn")

    if args.model:
        paint = model_painter(args.model, args.steps, args.guidance, args.dtype, args.threads)
        paint(SHEET_PROMPTS[:1], 0)
        with _timed("one picture"):
            paint(SHEET_PROMPTS[:1], 0)
        if args.sheet:
            contact_sheet(paint(SHEET_PROMPTS, 0), SHEET_PROMPTS, args.sheet)

    print(TABLE_HEAD)
    records = []
    for category, options in CATEGORIES.items():
        chosen = held_out_set(args.count, args.seed, **options)
        texts, scenes = [text for text, _ in chosen], [scene for _, scene in chosen]
        pictures = [np.round(draw(scene) * 255) for scene in scenes] if args.drawn else paint(texts, 1000)
        verdicts = [check(picture, scene) for picture, scene in zip(pictures, scenes)]
        print(table_row(category, args.count, summary(verdicts)), flush=True)
        records += [{"category": category, "prompt": text} | asdict(verdict) for text, verdict in zip(texts, verdicts)]
    if args.json:
        args.json.write_text(json.dumps(records, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
