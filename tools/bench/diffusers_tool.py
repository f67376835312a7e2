"""The jobs as diffusers and transformers do them."""

from typing import TYPE_CHECKING, Any

from .case import (
    FIRST_STEP,
    LOADED,
    NEW_TOKENS,
    PROMPT,
    TIME,
    Case,
    Prepare,
    Stage,
    caption_of,
    latents_of,
    tokens_of,
    torch_dtype,
)

if TYPE_CHECKING:
    import torch


def encode(storage: str) -> Prepare:
    """The pipeline's own method, which pads to 512 tokens."""

    def prepare(case: Case) -> dict[str, Stage]:
        from diffusers import ZImagePipeline
        from diffusers.utils import logging

        logging.disable_progress_bar()
        pipeline = ZImagePipeline.from_pretrained(
            case.folders[storage], dtype=torch_dtype(storage), transformer=None, vae=None, local_files_only=True
        )
        return {"": lambda: pipeline.encode_prompt(PROMPT, do_classifier_free_guidance=False)[0][0]}

    return prepare


def encode_unpadded(storage: str, arithmetic: str) -> Prepare:
    """The same without padding, as one would write it by hand."""

    def prepare(case: Case) -> dict[str, Stage]:
        from transformers import AutoTokenizer, Qwen3Model

        tokenizer = AutoTokenizer.from_pretrained(case.folders[storage] / "tokenizer")
        model = Qwen3Model.from_pretrained(case.folders[storage] / "text_encoder", dtype=torch_dtype(arithmetic))
        turns = [{"role": "user", "content": PROMPT}]

        def encode() -> "torch.Tensor":
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, return_tensors="pt").input_ids
            return model(input_ids=ids, output_hidden_states=True).hidden_states[-2][0]

        return {"": encode}

    return prepare


def step(storage: str, arithmetic: str) -> Prepare:
    """One call of the transformer, which is what each step of the pipeline costs."""

    def prepare(case: Case) -> dict[str, Stage]:
        return {"": _step(_transformer(case, storage, arithmetic), case.pixels, caption_of(case))}

    return prepare


def growth_size(sides: tuple[float, ...]) -> Prepare:
    """A step for pictures of several sizes, named by how many tokens they are."""

    def prepare(case: Case) -> dict[str, Stage]:
        transformer, caption = _transformer(case, "growth", "float32"), caption_of(case, "growth")
        pixels = [int(side * case.pixels) for side in sides]
        return {str(tokens_of(side)): _step(transformer, side, caption) for side in pixels}

    return prepare


def _transformer(case: Case, storage: str, arithmetic: str) -> Any:
    from diffusers import ZImageTransformer2DModel

    dtype = torch_dtype(arithmetic)
    return ZImageTransformer2DModel.from_pretrained(case.folders[storage], subfolder="transformer", dtype=dtype)


def _step(transformer: Any, pixels: int, caption: "torch.Tensor") -> Stage:
    import torch

    dtype = transformer.dtype
    latents = list(latents_of(pixels).to(dtype).unsqueeze(2))
    captions, time = [caption.to(dtype)], torch.tensor([TIME])
    return lambda: torch.stack(transformer(latents, time, captions, return_dict=False)[0]).squeeze(2)


def decode(scale: int) -> Prepare:
    """The same by AutoencoderKL."""

    def prepare(case: Case) -> dict[str, Stage]:
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained(case.folders["float32"], subfolder="vae")
        latents = latents_of(scale * case.pixels)
        return {"": lambda: vae.decode(latents).sample}

    return prepare


def load(storage: str) -> Prepare:
    """The same by diffusers, in the type of the files."""

    def prepare(case: Case) -> dict[str, Stage]:
        from diffusers import AutoencoderKL, ZImagePipeline, ZImageTransformer2DModel  # noqa: F401
        from diffusers.utils import logging
        from transformers import Qwen2Tokenizer, Qwen3Model  # noqa: F401  all imported before the clock runs

        logging.disable_progress_bar()
        loaded: list[ZImagePipeline] = []
        size = {"width": case.pixels, "height": case.pixels}

        def load() -> None:
            dtype = torch_dtype(storage)
            pipeline = ZImagePipeline.from_pretrained(case.folders[storage], dtype=dtype, local_files_only=True)
            pipeline.set_progress_bar_config(disable=True)
            loaded.append(pipeline)

        def first_step() -> "torch.Tensor":
            return loaded[0](PROMPT, num_inference_steps=1, guidance_scale=0.0, output_type="latent", **size).images

        return {LOADED: load, FIRST_STEP: first_step}

    return prepare


def generate(case: Case) -> dict[str, Stage]:
    """Text by transformers, greedy, as many tokens."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    folder = case.folders["bfloat16"] / "text_encoder"
    model = Qwen3ForCausalLM(Qwen3Config.from_pretrained(folder, num_hidden_layers=1)).to(torch.bfloat16)
    model.model = Qwen3Model.from_pretrained(folder, dtype=torch.bfloat16)
    model.config = model.model.config
    model.lm_head.weight = model.model.embed_tokens.weight
    ids = torch.tensor([[64]])
    options = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False, "pad_token_id": 0}

    def write() -> None:
        model.generate(ids, attention_mask=torch.ones_like(ids), **options)

    return {"": write}
