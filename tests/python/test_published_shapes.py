"""Layers of the published models' proportions: heads of 128, weights of several panels, the autoencoder's widths."""

from pathlib import Path
from typing import Any

import llmdit
import pytest
import tiny_models
import torch
from parity import assert_close
from reference import draw

MODEL = tiny_models.TinyModel(
    text_encoder=tiny_models.encoder_config(640, heads=8, kv_heads=2, head_dim=128, layers=2, intermediate_size=2432),
    transformer=tiny_models.transformer_config(
        heads=6, axes_dims=[32, 48, 48], layers=1, refiners=1, width=640, axes_lens=[1536, 512, 512]
    ),
    vae=tiny_models.vae_config([128, 256, 512, 512], layers=2, groups=32, latent_channels=16, sample_size=1024),
    seed=9,
)
PARTS = {
    "text_encoder": (tiny_models.make_text_encoder, llmdit.ZImageTextEncoder),
    "transformer": (tiny_models.make_transformer, llmdit.ZImageTransformer),
    "vae": (tiny_models.make_vae, llmdit.AutoencoderKL),
}


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def load(part: str, dtype: torch.dtype, folder: Path) -> tuple[Any, Any]:
    """The reference, computing in float32 on weights that `dtype` can hold, and ours on a file in `dtype`."""
    make, ours = PARTS[part]
    make(MODEL).to(dtype).save_pretrained(folder)
    reference = make(MODEL)
    for parameter in reference.parameters():
        parameter.data = parameter.data.to(dtype).float()
    extra = {"tokenizer_path": tiny_models.DEMO_TOKENIZER} if part == "text_encoder" else {}
    return reference, ours.from_pretrained(folder, **extra)


def test_text_encoder(dtype, tmp_path):
    reference, ours = load("text_encoder", dtype, tmp_path)
    ids = torch.arange(150) * 5 % 768
    states = reference(input_ids=ids[None], output_hidden_states=True).hidden_states
    for layer, want in enumerate(states):
        where = f"text encoder, {dtype} file, layer {layer}"
        assert_close("published shapes", ours.hidden_states(ids, layer), want[0], where=where)


def test_transformer(dtype, tmp_path):
    reference, ours = load("transformer", dtype, tmp_path)
    latents = [draw(1, 16, 1, 32, 32), draw(2, 16, 1, 16, 40)]
    embeds, t = [draw(3, 75, 640), draw(4, 20, 640)], torch.tensor([0.1, 0.8])
    for got, want in zip(ours(latents, t, embeds), reference(latents, t, embeds, return_dict=False)[0]):
        assert_close("published shapes", got, want, where=f"transformer, {dtype} file")
    assert ours.max_caption_len == 1504


def test_autoencoder(dtype, tmp_path):
    reference, ours = load("vae", dtype, tmp_path)
    latents = draw(5, 1, 16, 6, 4)
    assert_close(
        "published shapes", ours.decode(latents), reference.decode(latents).sample, where=f"decode, {dtype} file"
    )
    pixels = draw(6, 1, 3, 48, 32).clamp(-1, 1)
    want = reference.encode(pixels).latent_dist.mean
    assert_close("published shapes", ours.encode(pixels).mean, want, where=f"encode, {dtype} file")
