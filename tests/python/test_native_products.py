"""libtorch's products in bf16 and int8, which processors with AVX512-BF16, VNNI or AMX do natively, run on any."""

import os
import subprocess
import sys

import pytest
import tiny_models
import torch
from parity import record, relative_error
from reference import draw

MODEL = tiny_models.TinyModel(
    text_encoder=tiny_models.encoder_config(64, heads=2, kv_heads=1, head_dim=32, layers=1),
    transformer=tiny_models.transformer_config(
        heads=4, axes_dims=[32, 48, 48], layers=2, refiners=1, width=256, axes_lens=[256, 64, 64]
    ),
    vae=tiny_models.vae_config([16, 32], layers=1, groups=8, latent_channels=16),
    seed=5,
)
LATENTS, EMBEDS, TIME = (1, 16, 1, 16, 16), (40, 256), 0.3
SCRIPT = """
import json, sys, torch, llmdit
folder, quantization, inputs, out = sys.argv[1:]
model = llmdit.ZImageTransformer.from_pretrained(folder, quantization=quantization)
latents, embeds, t = torch.load(inputs)
result = model(latents.squeeze(2), t, [embeds])
torch.save((result, {s.kind: s.product for s in llmdit.storage_support()}), out)
"""


def run_ours(tmp_path, quantization, **variables):
    out = tmp_path / "out.pt"
    arguments = [tmp_path / "model", quantization, tmp_path / "inputs.pt", out]
    subprocess.run([sys.executable, "-c", SCRIPT, *map(str, arguments)], check=True, env=os.environ | variables)
    return torch.load(out)


@pytest.fixture
def truth(tmp_path):
    """The reference in float32 on weights that bf16 can hold, and in bf16; the file and the inputs lie in tmp_path."""
    reference = tiny_models.make_transformer(MODEL).to(torch.bfloat16)
    reference.save_pretrained(tmp_path / "model")
    latents, embeds, t = draw(1, *LATENTS), draw(2, *EMBEDS), torch.tensor([TIME])
    torch.save((latents, embeds, TIME), tmp_path / "inputs.pt")
    half = reference([latents[0].bfloat16()], t.bfloat16(), [embeds.bfloat16()], return_dict=False)[0][0]
    whole = reference.float()([latents[0]], t, [embeds], return_dict=False)[0][0]
    return whole.squeeze(1), half.float().squeeze(1)


def test_bfloat16(tmp_path, truth):
    """No further from float32 than the reference's bf16, and not the same as without."""
    whole, half = truth
    native, support = run_ours(tmp_path, "none", LLMDIT_CPU="native")
    assert support["bfloat16"] == "native"
    error = relative_error(native[0], whole)
    record("native bf16 products against float32", error, bound=relative_error(half, whole), where="transformer")
    exact, support = run_ours(tmp_path, "none", LLMDIT_CPU="avx2")
    assert support["bfloat16"] == "widened to float32"
    assert relative_error(exact[0], whole) <= 2e-5 < error


def test_int8(tmp_path, truth):
    """8 bits with a factor for each row both ways; where libtorch's product is wrong for large numbers, 16 bits."""
    whole, _ = truth
    result, support = run_ours(tmp_path, "int8", LLMDIT_CPU="native")
    assert support["int8"] in {"native", "integers"}
    record("native int8 products against float32", relative_error(result[0], whole), bound=0.025, where="transformer")
