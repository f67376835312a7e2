"""The jobs as llmdit does them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .case import (
    ALONE_PROMPTS,
    BEYOND_WARM,
    FIRST_STEP,
    LOADED,
    NEW_TOKENS,
    PROMPT,
    SEED,
    SHARED_PROMPTS,
    TIME,
    Case,
    Measured,
    Prepare,
    Stage,
    caption_of,
    latents_of,
    shared_prompts,
    tokens_of,
)

if TYPE_CHECKING:
    import llmdit
    import torch

# Ways to keep the models of a whole picture, and the figures that come of each.
OFFLOAD = {"llmdit": False, "llmdit, --cpu-offload": True}
PEAK, PLANNED, ALLOWED = "peak memory, pages of files included", "peak as planned", "peak that is the goal"


def encode(storage: str, quantization: str = "none") -> Prepare:
    """Chat template, tokenizer and encoder, from text to embeddings."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        encoder = llmdit.ZImageTextEncoder.from_pretrained(
            case.folders[storage], subfolder="text_encoder", quantization=quantization
        )
        return {"": lambda: encoder.encode(llmdit.format_prompt(PROMPT)).embeddings[0]}

    return prepare


def encode_gguf(kind: str, quantization: str = "none") -> Prepare:
    """The same from a GGUF file of the encoder."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        encoder = _gguf_encoder(case, kind, quantization)
        return {"": lambda: encoder.encode(llmdit.format_prompt(PROMPT)).embeddings[0]}

    return prepare


def _gguf_encoder(case: Case, kind: str, quantization: str = "none") -> "llmdit.ZImageTextEncoder":
    import llmdit

    tokenizer = case.folders["bfloat16"] / "tokenizer"
    path = case.gguf("text_encoder", kind)
    return llmdit.ZImageTextEncoder.from_pretrained(path, tokenizer_path=tokenizer, quantization=quantization)


def step(storage: str, caption_ready: bool, quantization: str = "none") -> Prepare:
    """One call of the transformer, with or without the part that a generation does once for all steps."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        transformer = llmdit.ZImageTransformer.from_pretrained(
            case.folders[storage], subfolder="transformer", quantization=quantization
        )
        latents, caption = latents_of(case.pixels), [caption_of(case)]
        prompt = transformer.condition(caption) if caption_ready else caption
        return {"": lambda: transformer(latents, TIME, prompt)}

    return prepare


def step_gguf(kind: str, quantization: str = "none") -> Prepare:
    """The same from a GGUF file of the transformer."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        config = case.folders["bfloat16"] / "transformer"
        path = case.gguf("transformer", kind)
        transformer = llmdit.ZImageTransformer.from_pretrained(path, config_path=config, quantization=quantization)
        latents, prompt = latents_of(case.pixels), transformer.condition([caption_of(case)])
        return {"": lambda: transformer(latents, TIME, prompt)}

    return prepare


def encode_shared(together: bool) -> Prepare:
    """Prompts that begin with the same 200 tokens, as one call, or each by itself; of those, a tenth is timed."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        encoder = llmdit.ZImageTextEncoder.from_pretrained(case.folders["bfloat16"], subfolder="text_encoder")
        texts = shared_prompts()

        def alone() -> Measured:
            start = time.perf_counter()
            outputs = [encoder.encode(text).embeddings[0] for text in texts[-ALONE_PROMPTS:]]
            seconds = (time.perf_counter() - start) * SHARED_PROMPTS / ALONE_PROMPTS
            return Measured(output=outputs[-1], seconds=seconds)

        return {"": (lambda: encoder.encode(texts).embeddings[-1]) if together else alone}

    return prepare


def generate(quantization: str = "none") -> Prepare:
    """Text by the encoder's model, one stream, from a prompt of next to nothing: each token reads all weights."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        encoder = llmdit.ZImageTextEncoder.from_pretrained(
            case.folders["bfloat16"], subfolder="text_encoder", quantization=quantization
        )
        return {"": lambda: _write(encoder)}

    return prepare


def generate_gguf(kind: str, quantization: str = "none") -> Prepare:
    """The same from a GGUF file of the encoder."""

    def prepare(case: Case) -> dict[str, Stage]:
        encoder = _gguf_encoder(case, kind, quantization)
        return {"": lambda: _write(encoder)}

    return prepare


def _write(encoder: "llmdit.ZImageTextEncoder") -> None:
    encoder.generate("a", max_new_tokens=NEW_TOKENS, temperature=0.0, stop_ids=[], repetition_penalty=1.0)


def decode(scale: int) -> Prepare:
    """Latents to pixels of `scale` times the step's side."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        vae = llmdit.AutoencoderKL.from_pretrained(case.folders["float32"], subfolder="vae")
        latents = latents_of(scale * case.pixels)
        return {"": lambda: vae.decode(latents)}

    return prepare


def load(storage: str) -> Prepare:
    """A whole pipeline, then its first latents, which is when mapped weights are really read, then latents again."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        loaded: list[llmdit.ZImagePipeline] = []
        size: dict[str, Any] = {"width": case.pixels, "height": case.pixels}
        first_start = time.perf_counter()

        def latents() -> "torch.Tensor":
            return loaded[0](PROMPT, num_inference_steps=1, seed=SEED, output_type="latent", **size).images

        def begin() -> None:
            nonlocal first_start
            first_start = time.perf_counter()
            loaded.append(llmdit.ZImagePipeline.from_pretrained(case.folders[storage]))

        def again() -> Measured:
            first_end = time.perf_counter()
            output = latents()
            warm = time.perf_counter() - first_end
            return Measured(output=output, seconds=first_end - first_start - warm)

        return {LOADED: begin, FIRST_STEP: latents, BEYOND_WARM: again}

    return prepare


def whole_picture(offload: bool) -> Prepare:
    """A picture by models of all their layers, and what it should have taken of memory."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        folder, side = case.folders["full"], 2 * case.pixels
        options: dict[str, Any] = {"width": side, "height": side, "num_inference_steps": 1, "seed": SEED}
        plan = llmdit.plan(folder, [PROMPT], cpu_offload=offload, **options)
        transformer, encoder, vae = (_bytes(folder / part) for part in ("transformer", "text_encoder", "vae"))
        allowed = 1.05 * max(transformer, encoder) if offload else transformer + encoder + vae
        figures = {PLANNED: (plan.peak_bytes / 1e9, "GB"), ALLOWED: (allowed / 1e9 + 1.5, "GB")}

        def draw() -> Measured:
            pipeline = llmdit.ZImagePipeline.from_pretrained(folder, cpu_offload=offload)
            pipeline(PROMPT, **options)
            return Measured(figures=figures)

        return {"": draw}

    return prepare


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def growth_size(sides: tuple[float, ...]) -> Prepare:
    """A step for pictures of several sizes, named by how many tokens they are."""

    def prepare(case: Case) -> dict[str, Stage]:
        transformer = _small_transformer(case)
        prompt = transformer.condition([caption_of(case, "growth")])

        def stage(pixels: int) -> Stage:
            latents = latents_of(pixels)
            return lambda: transformer(latents, TIME, prompt)

        return {str(tokens_of(pixels)): stage(pixels) for pixels in (int(side * case.pixels) for side in sides)}

    return prepare


def growth_batch(counts: tuple[int, ...]) -> Prepare:
    """A step for several pictures at once."""

    def prepare(case: Case) -> dict[str, Stage]:
        transformer = _small_transformer(case)

        def stage(count: int) -> Stage:
            prompt = transformer.condition([caption_of(case, "growth")] * count)
            latents = latents_of(case.pixels, count)
            return lambda: transformer(latents, TIME, prompt)

        return {str(count): stage(count) for count in counts}

    return prepare


def growth_steps(counts: tuple[int, ...]) -> Prepare:
    """A prompt to latents in several numbers of steps."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        pipeline = llmdit.ZImagePipeline.from_pretrained(case.folders["growth"])
        size: dict[str, Any] = {"width": case.pixels, "height": case.pixels, "seed": SEED, "output_type": "latent"}

        def stage(count: int) -> Stage:
            return lambda: pipeline(PROMPT, num_inference_steps=count, **size).images

        return {str(count): stage(count) for count in counts}

    return prepare


def _small_transformer(case: Case) -> "llmdit.ZImageTransformer":
    import llmdit

    return llmdit.ZImageTransformer.from_pretrained(case.folders["growth"], subfolder="transformer")
