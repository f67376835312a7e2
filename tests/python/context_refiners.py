"""What the tests of the context refiner share."""

import llmdit
import tiny_models
import torch

CHECK = "context refiner"
MODELS = [name for name, model in tiny_models.MODELS.items() if model.transformer["n_refiner_layers"] > 0]
SMALL = {"dim": 64, "n_heads": 4, "max_seq_len": 256, "device": "cpu"}


def load(folder, **options):
    return llmdit.ContextRefiner.from_pretrained(folder, subfolder="transformer", device="cpu", **options)


def reference_rows(transformer, x, positions=None, mask=None):
    """diffusers' context_refiner on rows [tokens, dim] or [batch, tokens, dim] that have passed the embedder."""
    batch = x if x.dim() == 3 else x[None]
    tokens = batch.shape[1]
    if positions is None:
        positions = torch.arange(1, tokens + 1)
    if positions.dim() == 1:
        positions = torch.stack([positions, torch.zeros_like(positions), torch.zeros_like(positions)], 1)
    freqs = transformer.rope_embedder(positions)[None].expand(batch.shape[0], -1, -1)
    for block in transformer.context_refiner:
        batch = block(batch, mask, freqs)
    return batch if x.dim() == 3 else batch[0]
