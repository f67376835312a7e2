"""Scenes (what is where), the distributions they are drawn from, and their pictures."""

import random
from dataclasses import dataclass, field

import numpy as np

from .shapes import CANVAS, SHAPES, coverage, edge_distance, pixel_grid

COLOURS = {
    "red": (222, 32, 38),
    "orange": (250, 140, 20),
    "yellow": (250, 222, 40),
    "green": (36, 160, 60),
    "cyan": (60, 215, 225),
    "blue": (36, 72, 210),
    "purple": (125, 45, 165),
    "pink": (250, 140, 190),
    "brown": (120, 72, 36),
    "black": (16, 16, 16),
    "gray": (135, 135, 135),
    "white": (248, 248, 248),
}
COLOUR_NAMES = tuple(COLOURS)
BACKGROUND_KINDS = ("flat", "gradient", "stripes")
SIZES = ("small", "medium", "big")
PLACES = {
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
    "centre": (0, 0),
    "top left": (-1, -1),
    "top right": (1, -1),
    "bottom left": (-1, 1),
    "bottom right": (1, 1),
}
RELATIONS = ("and", "left", "right", "above", "below", "inside")

# Where the first of two objects stands; the second one stands opposite.
_FIRST_SIDE = {"and": (-1, 0), "left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
_RADIUS_ALONE = {"small": 0.30, "medium": 0.47, "big": 0.72}
_RADIUS_IN_PAIR = {"small": 0.25, "medium": 0.36, "big": 0.46}
_RADIUS_INNER, _RADIUS_OUTER, _RADIUS_OF_THREE = 0.27, 0.78, 0.27


@dataclass
class Thing:
    """One drawn object."""

    shape: str
    colour: str
    size: str = "medium"
    outline: bool = False
    x: float = 0.0
    y: float = 0.0
    radius: float = 0.47

    def cover(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Coverage of each pixel of the grid, 0..1."""
        return coverage(self.shape, self.outline, (self.x, self.y), self.radius, x, y)

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance of each pixel of the grid to the nearest edge, in canvas units; negative inside."""
        return edge_distance(self.shape, self.outline, (self.x, self.y), self.radius, x, y)


@dataclass
class Scene:
    """A picture's content. `things` are in drawing order; `second_colour` equals `background` on flat ones."""

    background: str
    second_colour: str
    background_kind: str = "flat"
    things: list[Thing] = field(default_factory=list)
    place: str = "centre"  # of a single object
    relation: str | None = None  # between two objects


@dataclass(frozen=True)
class Mix:
    """How often a random scene has which property (weights, in the order of the name lists above)."""

    background_kinds: tuple[float, ...] = (88, 6, 6)
    counts: tuple[float, ...] = (62, 33, 5)  # one, two, three objects
    sizes: tuple[float, ...] = (20, 55, 25)
    relations: tuple[float, ...] = (25, 20, 20, 15, 15, 5)
    outlines: float = 0.08
    shapes: tuple[float, ...] = (1,) * len(SHAPES)


# BROAD teaches the basics; HARD moves the weight to what a model trained on BROAD still gets wrong.
BROAD = Mix()
HARD = Mix(
    background_kinds=(84, 8, 8),
    counts=(40, 43, 17),
    sizes=(32, 42, 26),
    relations=(22, 16, 16, 14, 14, 18),
    outlines=0.16,
    shapes=(1.6, 1.1, 1, 1.1, 1.2, 1, 1, 1, 1.1, 1),
)
PLAIN = Mix(sizes=(0, 1, 0), outlines=0.0)  # only for checking
MIXES = {"broad": BROAD, "hard": HARD, "plain": PLAIN}


def is_held_out(shape: str, colour: str, background: str) -> bool:
    """Whether the triple is kept out of training; about a tenth of all are."""
    code = SHAPES.index(shape) * 7 + COLOUR_NAMES.index(colour) * 5 + COLOUR_NAMES.index(background) * 3
    return code % 10 == 0


def _pick(rng: random.Random, names: tuple, weights: tuple[float, ...]):
    return rng.choices(names, weights)[0]


def random_scene(
    rng: random.Random,
    mix: Mix = BROAD,
    held_out: bool = False,
    count: int | None = None,
    background_kind: str | None = None,
    relation: str | None = None,
) -> Scene:
    """A random scene, either with only trained triples or with only held-out ones.

    What a caption leaves unsaid has a fixed default (medium, centre, white) with a few per cent of jitter, so that a
    caption nearly determines its picture and few sampling steps are enough.
    """
    while True:
        kind = background_kind or _pick(rng, BACKGROUND_KINDS, mix.background_kinds)
        background, second = rng.sample(COLOUR_NAMES, 2)
        if kind == "flat":
            second = background
        number = count or _pick(rng, (1, 2, 3), mix.counts)
        free = [c for c in COLOUR_NAMES if c not in (background, second)]
        things = [Thing(_pick(rng, SHAPES, mix.shapes), rng.choice(free)) for _ in range(number)]
        if all(is_held_out(t.shape, t.colour, background) == held_out for t in things):
            break
    for thing in things:
        thing.size = _pick(rng, SIZES, mix.sizes)
        thing.outline = thing.shape != "ring" and rng.random() < mix.outlines
    scene = Scene(background, second, kind, things)
    if number == 1:
        _place_one(scene, rng)
    elif number == 2:
        _place_two(scene, rng, relation or _pick(rng, RELATIONS, mix.relations))
    else:
        _place_three(scene, rng)
    return scene


def _jitter(rng: random.Random, amount: float = 0.04) -> float:
    return rng.uniform(-amount, amount)


def _place_one(scene: Scene, rng: random.Random) -> None:
    thing = scene.things[0]
    if rng.random() < 0.5:
        scene.place = rng.choice(list(PLACES))
    thing.radius = _RADIUS_ALONE[thing.size] * (1 + _jitter(rng))
    reach = min(0.52, 0.97 - thing.radius)  # keeps the object on the canvas
    thing.x = PLACES[scene.place][0] * reach + _jitter(rng)
    thing.y = PLACES[scene.place][1] * reach + _jitter(rng)


def _place_two(scene: Scene, rng: random.Random, relation: str) -> None:
    first, second = scene.things
    if relation == "inside" and (first.colour == second.colour or second.shape in ("ring", "moon")):
        relation = "and"  # nothing fits visibly inside
    scene.relation = relation
    if relation == "inside":
        for thing, size, radius in ((first, "small", _RADIUS_INNER), (second, "big", _RADIUS_OUTER)):
            thing.size, thing.outline = size, False
            thing.radius = radius * (1 + _jitter(rng))
            thing.x, thing.y = _jitter(rng, 0.02), _jitter(rng, 0.02)
        scene.things = [second, first]  # the outer one is drawn first
        return
    side_x, side_y = _FIRST_SIDE[relation]
    for thing, sign in ((first, 1), (second, -1)):
        thing.radius = _RADIUS_IN_PAIR[thing.size] * (1 + _jitter(rng))
        thing.x = side_x * sign * 0.48 + _jitter(rng, 0.03)
        thing.y = side_y * sign * 0.48 + _jitter(rng, 0.03)


def _place_three(scene: Scene, rng: random.Random) -> None:
    for column, thing in zip((-1, 0, 1), scene.things):
        thing.size, thing.outline = "medium", False
        thing.radius = _RADIUS_OF_THREE * (1 + _jitter(rng))
        thing.x, thing.y = column * 0.64 + _jitter(rng, 0.02), _jitter(rng)


def draw(scene: Scene, left: int = 0, top: int = 0, size: int = CANVAS) -> np.ndarray:
    """The size x size window of the picture at (left, top): (size, size, 3), float32, 0..1."""
    x, y = pixel_grid(left, top, size)
    first = np.float32(COLOURS[scene.background]) / 255
    second = np.float32(COLOURS[scene.second_colour]) / 255
    if scene.background_kind == "gradient":
        share = (y + 1) / 2
    elif scene.background_kind == "stripes":
        share = np.clip(0.5 + (np.abs(((x + 1) * 2) % 1 - 0.5) - 0.25) * CANVAS / 4, 0, 1)
    else:
        share = np.zeros_like(x)
    picture = first + (second - first) * share[..., None]
    for thing in scene.things:
        cover = thing.cover(x, y)[..., None]
        picture = picture * (1 - cover) + np.float32(COLOURS[thing.colour]) / 255 * cover
    return picture.astype(np.float32)


def draw_detail(scene: Scene, rng: random.Random, size: int) -> np.ndarray:
    """A window that shows the edge of some object, where a picture is hardest to code."""
    if size == CANVAS:
        return draw(scene)
    thing = rng.choice(scene.things)
    corner = []
    for center in (thing.x, thing.y):
        middle = (center + rng.uniform(-1, 1) * thing.radius + 1) * CANVAS / 2
        corner.append(int(np.clip(middle - size / 2, 0, CANVAS - size)))
    return draw(scene, corner[0], corner[1], size)


def object_map(scene: Scene, size: int) -> np.ndarray:
    """(size, size) of 0 and 1: the cells of a coarse grid that an object touches, with a little room around it."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    x, y = np.meshgrid(axis, axis)
    near = [np.maximum(np.abs(x - t.x), np.abs(y - t.y)) < t.radius + 1.5 / size for t in scene.things]
    return np.any(near, axis=0).astype(np.float32)


@dataclass(frozen=True)
class Labels:
    """What an encoder should be able to tell from a caption: classes (-100: absent) and places."""

    classes: list[int]
    geometry: list[float]  # x, y, radius of each of three objects


# Number of classes of each entry of Labels.classes.
LABEL_SIZES = (
    len(BACKGROUND_KINDS),
    len(COLOUR_NAMES),
    len(COLOUR_NAMES),
    3,
    *(len(SHAPES), len(COLOUR_NAMES), len(SIZES), 2) * 3,
)


def labels(scene: Scene) -> Labels:
    """Labels of a scene; its objects in reading order (left to right, then top to bottom)."""
    things = sorted(scene.things, key=lambda t: (round(t.x / 0.3), round(t.y / 0.3), t.radius))
    classes = [
        BACKGROUND_KINDS.index(scene.background_kind),
        COLOUR_NAMES.index(scene.background),
        COLOUR_NAMES.index(scene.second_colour),
        len(things) - 1,
    ]
    geometry: list[float] = []
    for thing in things:
        classes += [
            SHAPES.index(thing.shape),
            COLOUR_NAMES.index(thing.colour),
            SIZES.index(thing.size),
            int(thing.outline),
        ]
        geometry += [thing.x, thing.y, thing.radius]
    missing = 3 - len(things)
    return Labels(classes + [-100] * 4 * missing, geometry + [0.0] * 3 * missing)
