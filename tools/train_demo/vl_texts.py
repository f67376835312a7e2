"""What the demo's vision-language model reads and says: the one sentence for a scene, terse notes, chats."""

import random

from .captions import COLOUR_WORDS, SHAPE_WORDS, caption
from .scenes import Scene, Thing

IMAGE_TOKENS = 16  # of a 128 x 128 picture: 8 x 8 patches, merged two by two
IMAGE = "<|vision_start|>" + "<|image_pad|>" * IMAGE_TOKENS + "<|vision_end|>"
NO_THOUGHTS = "<think>\n\n</think>\n\n"  # what a chat puts before an answer when thinking is off
QUESTIONS = (
    "Describe the picture.",
    "Describe this image.",
    "Describe the image in one sentence.",
    "What is in the picture?",
    "What do you see?",
    "describe",
    "caption",
    "Write a caption for this image.",
)
SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "Rewrite the prompt as one full sentence.",
    "Rewrite the user's text into one clear sentence that describes the picture.",
    "You turn short notes into prompts for an image model. Answer with the prompt only.",
    "You are an expert prompt writer. Expand the user's prompt and keep everything it says.",
    "You describe pictures for an image model.",
)
# Words of system prompts that mean nothing here: the model must do its task whatever it has been told.
_FILLER = (
    "you are an assistant that writes prompts for image generation describe the scene in detail with light colour "
    "composition camera style mood texture and subject keep every fact of the original text do not add explanations "
    "answer only with the final prompt use simple words one paragraph natural language never mention these rules "
    "the user gives a short idea expand it step by step first then next avoid lists quotes markdown if there is text "
    "in the picture write it exactly as given be precise about position size number background foreground a good "
    "prompt is concrete visual vivid photograph painting drawing cinematic professional expert creative output format "
    "json example input result must should always please return request task role"
).split()

_SIDES = {"left": ("left", "right"), "right": ("right", "left"), "above": ("top", "bottom"), "below": ("bottom", "top")}


# ------------------------------------------------------------------------------------------- the one sentence


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _plain_name(thing: Thing) -> str:
    size = "" if thing.size == "medium" else f"{thing.size} "
    return f"{size}{'hollow ' if thing.outline else ''}{thing.colour} {thing.shape}"


def canonical_caption(scene: Scene) -> str:
    """The one sentence for a scene, e.g. "a red circle left of a small blue star on a yellow background"."""
    names = [_with_article(_plain_name(thing)) for thing in scene.things]
    if len(names) == 3:
        content = f"{names[0]}, {names[1]} and {names[2]}"
    elif len(names) == 2:
        first, second = names
        if scene.relation in ("right", "below", "inside"):  # inside: the outer one is drawn first
            first, second = second, first
        word = {"inside": "inside", "above": "above", "below": "above"}.get(scene.relation, "left of")
        content = f"{first} {word} {second}"
    else:
        content = names[0] + _canonical_place(scene.place)
    return f"{content} on {_with_article(_canonical_ground(scene))} background"


def _canonical_place(place: str) -> str:
    if place == "centre":
        return ""
    if " " in place:
        return f" in the {place} corner"
    return f" {'at' if place in ('top', 'bottom') else 'on'} the {place}"


def _canonical_ground(scene: Scene) -> str:
    if scene.background_kind == "gradient":
        return f"{scene.background} to {scene.second_colour} gradient"
    if scene.background_kind == "stripes":
        return f"striped {scene.background} and {scene.second_colour}"
    return scene.background


# ------------------------------------------------------------------------------------------- terse notes


def _colour(name: str, rng: random.Random) -> str:
    return rng.choice(COLOUR_WORDS.get(name, [name]))


def _terse_name(thing: Thing, rng: random.Random, sized: bool) -> str:
    colour, shape = _colour(thing.colour, rng), rng.choice(SHAPE_WORDS[thing.shape])
    words = [colour, shape]
    if thing.outline:
        words.insert(0, rng.choice(["hollow", "outlined"]))
    if sized and thing.size != "medium":
        words.insert(0, rng.choice({"small": ["small", "tiny", "little"], "big": ["big", "large", "huge"]}[thing.size]))
    if rng.random() < 0.2:
        words = [shape, *(w for w in words if w != shape)]  # "star blue"
    return " ".join(words)


def _terse_ground(scene: Scene, rng: random.Random) -> str:
    first, second = _colour(scene.background, rng), _colour(scene.second_colour, rng)
    ground = rng.choice(["bg", "bg", "background", "backdrop"])
    if scene.background_kind == "gradient":
        return rng.choice(
            [f"{first} to {second} gradient", f"gradient {first} to {second}", f"{ground}: {first} to {second}"]
        )
    if scene.background_kind == "stripes":
        return rng.choice(
            [f"striped {first} and {second}", f"{first}/{second} stripes", f"stripes {first} and {second}"]
        )
    return rng.choice([f"{first} {ground}", f"{ground} {first}", f"{ground}: {first}", f"on {first}"])


def _terse_pair(names: list[str], relation: str, rng: random.Random) -> list[str]:
    first, second = names
    if relation == "inside":  # the outer one comes first
        return rng.choice([[f"{second} in {first}"], [f"{second} inside {first}"], [first, f"{second} inside"]])
    if relation == "and":
        return rng.choice([[first, second], [f"{first} and {second}"], [f"{first} left", f"{second} right"]])
    side, other = _SIDES[relation]
    word = {"left": "left of", "right": "right of"}.get(relation, relation)
    parts = [f"{first} {side}", f"{second} {other}"]
    rng.shuffle(parts)
    return rng.choice(
        [[f"{first} {word} {second}"], parts, parts, [second, f"{first} {side}"], [f"{side} {first}", second]]
    )


def terse_notes(scene: Scene, rng: random.Random) -> str:
    """Notes that name everything a caption says, in some order: "blue star, red circle left, yellow bg"."""
    names = [_terse_name(thing, rng, scene.relation != "inside") for thing in scene.things]
    if len(names) == 2:
        parts = _terse_pair(names, scene.relation, rng)
    else:
        parts = list(names)
        if len(names) == 1 and scene.place != "centre":
            parts = rng.choice([[f"{names[0]} {scene.place}"], [names[0], scene.place], [f"{scene.place} {names[0]}"]])
    if not (scene.background == "white" and scene.background_kind == "flat" and rng.random() < 0.6):
        parts.insert(rng.choice([0, len(parts), len(parts)]), _terse_ground(scene, rng))
    text = rng.choice([", ", ", ", ", ", "; ", " | ", ". "]).join(parts)
    return text.capitalize() if rng.random() < 0.15 else text


def rough_text(scene: Scene, rng: random.Random, long: bool = False) -> str:
    """Something to rewrite: notes, or one of the many ways to say the scene in full."""
    if rng.random() < 0.55:
        return terse_notes(scene, rng)
    return canonical_caption(scene) if rng.random() < 0.1 else caption(scene, rng, long)


# ------------------------------------------------------------------------------------------- chats


def system_prompt(rng: random.Random, words: tuple[int, int] | None = None) -> str:
    """A system prompt: one of ours, or that many meaningless words."""
    if words is None:
        if rng.random() < 0.6:
            return rng.choice(SYSTEM_PROMPTS)
        words = (3, 14)
    return " ".join(rng.choice(_FILLER) for _ in range(rng.randint(*words))).capitalize() + "."


def chat(text: str, system: str | None = None, no_thoughts: bool = False) -> str:
    """The text before the answer."""
    head = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    tail = NO_THOUGHTS if no_thoughts else ""
    return f"{head}<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n{tail}"


def picture_chat(scene: Scene, other: Scene, rng: random.Random, alone: bool) -> str:
    """A chat about a picture of `scene`: the picture alone, or with a question, or with words, even wrong ones."""
    if alone:
        return chat(IMAGE)
    text = rng.choice(["", rng.choice(QUESTIONS), rough_text(scene, rng), rough_text(other, rng)])
    system = system_prompt(rng) if rng.random() < 0.3 else None
    return chat(IMAGE + text, system, no_thoughts=rng.random() < 0.4)


def rewrite_chat(scene: Scene, rng: random.Random, long: bool) -> str:
    """A chat that asks for the one sentence; `long`: after a long system prompt."""
    if long:
        system = system_prompt(rng, (20, 150))
    else:
        system = system_prompt(rng) if rng.random() < 0.6 else None
    return chat(rough_text(scene, rng), system, no_thoughts=rng.random() < 0.4)
