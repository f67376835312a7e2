"""The jobs as llmdit does them."""

from .case import (
    FIRST_STEP,
    LOADED,
    NEW_TOKENS,
    PROMPT,
    SEED,
    TIME,
    Case,
    Prepare,
    Stage,
    caption_of,
    latents_of,
    shared_prompts,
)


def encode(storage: str) -> Prepare:
    """Chat template, tokenizer and encoder, from text to embeddings."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        encoder = llmdit.ZImageTextEncoder.from_pretrained(case.folders[storage], subfolder="text_encoder")
        return {"": lambda: encoder.encode(llmdit.format_prompt(PROMPT)).embeddings[0]}

    return prepare


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
    """The same from a GGUF file of the transformer, which is made once beside the model."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        folder = case.folders["bfloat16"] / "transformer"
        path = folder.parent / f"transformer-{kind}.gguf"
        if not path.exists():
            llmdit.convert_weights(folder, path, quantization=kind)
        transformer = llmdit.ZImageTransformer.from_pretrained(path, config_path=folder, quantization=quantization)
        latents, prompt = latents_of(case.pixels), transformer.condition([caption_of(case)])
        return {"": lambda: transformer(latents, TIME, prompt)}

    return prepare


def encode_shared(together: bool) -> Prepare:
    """Prompts that begin with the same 200 tokens, as one call or one by one."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        encoder = llmdit.ZImageTextEncoder.from_pretrained(case.folders["bfloat16"], subfolder="text_encoder")
        texts = shared_prompts()
        if together:
            return {"": lambda: encoder.encode(texts).embeddings[-1]}
        return {"": lambda: [encoder.encode(text).embeddings[0] for text in texts][-1]}

    return prepare


def generate(quantization: str = "none") -> Prepare:
    """Text by the encoder's model, one stream, from a prompt of next to nothing: each token reads all weights."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        encoder = llmdit.ZImageTextEncoder.from_pretrained(
            case.folders["bfloat16"], subfolder="text_encoder", quantization=quantization
        )
        options = {"max_new_tokens": NEW_TOKENS, "temperature": 0.0, "stop_ids": [], "repetition_penalty": 1.0}

        def write() -> None:
            encoder.generate("a", **options)

        return {"": write}

    return prepare


def decode(scale: int) -> Prepare:
    """Latents to pixels of `scale` times the step's side."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        vae = llmdit.AutoencoderKL.from_pretrained(case.folders["float32"], subfolder="vae")
        latents = latents_of(scale * case.pixels)
        return {"": lambda: vae.decode(latents)}

    return prepare


def load(storage: str) -> Prepare:
    """A whole pipeline, then its first latents, which is when mapped weights are really read."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llmdit

        loaded: list[llmdit.ZImagePipeline] = []
        size = {"width": case.pixels, "height": case.pixels}
        return {
            LOADED: lambda: loaded.append(llmdit.ZImagePipeline.from_pretrained(case.folders[storage])),
            FIRST_STEP: lambda: (
                loaded[0](PROMPT, num_inference_steps=1, seed=SEED, output_type="latent", **size).images
            ),
        }

    return prepare
