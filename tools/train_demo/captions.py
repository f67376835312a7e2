"""Captions: many ways to say the same scene."""

import random

from .scenes import Scene, Thing

# Repeated words are more frequent.
SHAPE_WORDS = {
    "circle": ["circle"] * 6 + ["disc", "dot", "ball"],
    "square": ["square"] * 7 + ["box"],
    "triangle": ["triangle"],
    "star": ["star"] * 5 + ["five-pointed star"],
    "heart": ["heart"] * 5 + ["heart shape"],
    "ring": ["ring"] * 5 + ["donut"],
    "diamond": ["diamond"] * 5 + ["rhombus"],
    "cross": ["cross"] * 4 + ["plus sign", "plus"],
    "hexagon": ["hexagon"],
    "moon": ["moon", "crescent moon", "crescent"],
}
COLOUR_WORDS = {
    "cyan": ["cyan"] * 3 + ["turquoise", "light blue"],
    "purple": ["purple"] * 4 + ["violet"],
    "gray": ["gray", "grey"],
    "blue": ["blue"] * 9 + ["dark blue"],
}
SIZE_WORDS = {"small": ["small ", "tiny ", "little "], "big": ["big ", "large ", "huge "]}
PLACE_WORDS = {
    "centre": ["in the middle", "in the center", "in the centre", "at the center"],
    "left": ["on the left", "on the left side", "to the left"],
    "right": ["on the right", "on the right side", "to the right"],
    "top": ["at the top", "near the top"],
    "bottom": ["at the bottom", "near the bottom"],
}
RELATION_PATTERNS = {
    "and": ["{a} and {b}", "{a} and {b}", "{a} next to {b}", "{a} on the left and {b} on the right"],
    "left": ["{a} left of {b}", "{a} to the left of {b}", "{a} on the left of {b}"],
    "right": ["{a} right of {b}", "{a} to the right of {b}", "{b} on the left and {a} on the right"],
    "above": ["{a} above {b}", "{a} over {b}", "{a} on top of {b}", "{a} at the top and {b} at the bottom"],
    "below": ["{a} below {b}", "{a} under {b}", "{a} beneath {b}"],
    "inside": ["{a} inside {b}", "{a} in {b}", "{b} with {a} inside"],
}
OUTLINE_PATTERNS = [
    "{size}{colour} {shape} outline",
    "{size}hollow {colour} {shape}",
    "{size}outlined {colour} {shape}",
    "{size}outline of {article} {colour} {shape}",
]
# {m}: objects and place; {main}: objects alone; {place}: ", on the left" or nothing; {bg}: with its article.
SENTENCES = ["{m} on {bg} {ground}"] * 6 + [
    "{m} against {bg} {ground}",
    "{m} with {bg} {ground}",
    "{m}, {bare} {ground}",
    "{bg} {ground} with {m}",
    "{main} on {bg} {ground}{place}",
    "a picture of {m} on {bg} {ground}",
    "draw {m} on {bg} {ground}",
    "there is {m} on {bg} {ground}",
    "an image of {m} on {bg} {ground}",
]
FILLERS = [
    "it is a simple picture with flat colours",
    "the edges are clean and smooth",
    "nothing else is in the picture",
    "minimalist vector art",
    "plain and tidy",
    "a clean geometric drawing",
    "high quality",
    "sharp lines",
    "simple shapes only",
]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _with_article(words: str) -> str:
    return f"{_article(words)} {words}"


def _colour(name: str, rng: random.Random) -> str:
    return rng.choice(COLOUR_WORDS.get(name, [name]))


def _thing(thing: Thing, rng: random.Random) -> str:
    size = rng.choice(SIZE_WORDS[thing.size]) if thing.size in SIZE_WORDS else ""
    if thing.size == "medium" and rng.random() < 0.06:
        size = "medium "
    colour, shape = _colour(thing.colour, rng), rng.choice(SHAPE_WORDS[thing.shape])
    if not thing.outline:
        return f"{size}{colour} {shape}"
    return rng.choice(OUTLINE_PATTERNS).format(size=size, colour=colour, shape=shape, article=_article(colour))


def _background(scene: Scene, rng: random.Random) -> str:
    first = _colour(scene.background, rng)
    if scene.background_kind == "flat":
        return first
    second = _colour(scene.second_colour, rng)
    if scene.background_kind == "gradient":
        return rng.choice([f"{first} to {second} gradient", f"{first}-to-{second} gradient"])
    return rng.choice([f"{first} and {second} striped", f"striped {first} and {second}"])


def _place(scene: Scene, rng: random.Random) -> str:
    if scene.place == "centre" and rng.random() > 0.12:
        return ""  # the default need not be said
    corner = [f"in the {scene.place} corner", f"at the {scene.place}", f"in the {scene.place}"]
    return rng.choice(PLACE_WORDS.get(scene.place, corner))


def _objects(names: list[str], scene: Scene, rng: random.Random) -> str:
    with_article = [_with_article(name) for name in names]
    if len(names) == 1:
        return with_article[0]
    if len(names) == 2:
        return rng.choice(RELATION_PATTERNS[scene.relation]).format(a=with_article[0], b=with_article[1])
    return f"{with_article[0]}, {with_article[1]} and {with_article[2]}"


def caption(scene: Scene, rng: random.Random, long: bool = False) -> str:
    """A random caption of the scene; long ones add sentences that say nothing about it."""
    things = scene.things[::-1] if scene.relation == "inside" else scene.things  # the inner one is named first
    names = [_thing(thing, rng) for thing in things]
    bare, place, flat = _background(scene, rng), _place(scene, rng), scene.background_kind == "flat"
    main = _objects(names, scene, rng)
    placed = f"{main} {place}".strip()
    ground = rng.choice(["background"] * 8 + ["backdrop", "canvas"])
    comma_place = f", {place}" if place else ""
    if scene.background == "white" and flat and rng.random() < 0.4:
        text = rng.choice([placed, f"a picture of {placed}", f"draw {placed}"])  # white is the default
    else:
        choices = list(SENTENCES)
        if flat:
            choices += ["{m} on {bare}"] * 2
        if len(names) == 1:
            choices += ["{name}, {bare} {ground}{place}", "{named} on {bare}"]
        text = rng.choice(choices).format(
            m=placed,
            main=main,
            name=names[0],
            named=f"{names[0]} {place}".strip(),
            bg=_with_article(bare),
            bare=bare,
            ground=ground,
            place=comma_place,
        )
    if long:
        if flat and rng.random() < 0.5:
            text = f"the {ground} is {bare}. {place + ' ' if place else ''}there is {main}"
        for filler in rng.sample(FILLERS, rng.choice([2, 3])):
            text += rng.choice([", ", ". "]) + filler
    if rng.random() < 0.35:
        text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in text.split(". "))
    if rng.random() < 0.3:
        text += "."
    return text
