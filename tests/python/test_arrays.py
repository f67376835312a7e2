"""Tensors, arrays and pictures go in and out as they lie in memory, where their types allow it."""

import io

import llmdit
import numpy as np
import pytest
import torch
from llmdit import vl
from PIL import Image

QUICK = {"num_inference_steps": 2, "width": 32, "height": 32, "seed": 1}


class Foreign:
    """An array of some other library: DLPack and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.ndim = array.ndim

    def __dlpack__(self, **keywords):
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_options_hold_the_caller_s_memory():
    latents = np.zeros((1, 16, 4, 4), np.float32)
    rows = np.zeros((5, 48), np.float32)
    for wrap in (lambda array: array, Foreign, torch.from_numpy):
        options = llmdit.GenerateOptions(latents=wrap(latents), prompt_embeds=[wrap(rows)])
        assert options.latents.data_ptr() == latents.ctypes.data
        assert options.prompt_embeds[0].data_ptr() == rows.ctypes.data


def test_arrays_are_as_good_as_tensors(pipe):
    latents = torch.randn(1, 16, 4, 4)
    want = pipe("a cat", latents=latents, num_inference_steps=2).latents
    assert torch.equal(pipe("a cat", latents=latents.numpy(), num_inference_steps=2).latents, want)
    rows = pipe.encode_prompt("a cat").embeddings
    embedded = pipe(prompt_embeds=[Foreign(rows[0].numpy())], latents=Foreign(latents.numpy()), num_inference_steps=2)
    assert torch.equal(embedded.latents, want)

    array = latents.numpy()
    assert torch.equal(pipe.vae.decode(array), pipe.vae.decode(latents))
    assert torch.equal(pipe.vae.unscale(Foreign(array)), pipe.vae.unscale(latents))
    numpy_rows = [row.numpy() for row in rows]
    assert torch.equal(pipe.transformer(array, 0.5, numpy_rows), pipe.transformer(latents, 0.5, rows))
    assert torch.equal(llmdit.compress_embeddings(numpy_rows[0], 4), llmdit.compress_embeddings(rows[0], 4))
    blended = vl.blend(vl=numpy_rows[0], text=rows[0], alpha=0.5).embeddings
    assert torch.equal(blended, vl.blend(vl=rows[0], text=rows[0], alpha=0.5).embeddings)
    ids = pipe.tokenizer.encode("a cat")
    assert torch.equal(pipe.text_encoder.hidden_states(np.array(ids), 1), pipe.text_encoder.hidden_states(ids, 1))


def test_arrays_that_cannot_be_shared_are_copied(pipe):
    latents = np.zeros((1, 16, 4, 4), np.float32)
    latents.flags.writeable = False
    assert torch.equal(pipe.vae.decode(latents), pipe.vae.decode(torch.zeros(1, 16, 4, 4)))
    turned = np.ones((1, 16, 4, 4), np.float32)[:, ::-1]
    assert llmdit.GenerateOptions(latents=turned).latents.shape == (1, 16, 4, 4)


@pytest.mark.parametrize("value", ["text", 5, [1, 2], np.float32(1)])
def test_what_is_no_array_is_refused(value):
    with pytest.raises(TypeError, match="latents as a torch.Tensor"):
        llmdit.GenerateOptions(latents=value)


def test_pictures_leave_without_copies(pipe):
    result = pipe("a cat", output_type="pt", **QUICK)
    assert result.images.data_ptr() == result._native.pixels.data_ptr() and result.images.shape == (1, 3, 32, 32)
    result = pipe("a cat", output_type="np", **QUICK)
    assert result.images.ctypes.data == result._native.pixels.data_ptr() and result.images.shape == (1, 32, 32, 3)
    result = pipe("a cat", output_type="latent", **QUICK)
    assert result.images.data_ptr() == result.latents.data_ptr()
    image = llmdit.Image(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    views = [np.asarray(image) for _ in range(2)]
    assert views[0].ctypes.data == views[1].ctypes.data and not views[0].flags.writeable
    assert bytes(memoryview(image)) == bytes(range(60))


def test_outputs_are_ordinary_tensors_that_nobody_else_holds(pipe):
    """They may be written to and differentiated, and the next call does not see it."""
    for call in (
        lambda: pipe("a cat", output_type="pt", **QUICK).images,
        lambda: pipe("a cat", **QUICK).latents,
        lambda: pipe.vae.decode(torch.ones(1, 16, 4, 4)),
        lambda: pipe.transformer(torch.ones(1, 16, 4, 4), 0.5, [torch.ones(5, 48)]),
        lambda: pipe.encode_prompt("a cat").embeddings[0],
        lambda: pipe.text_encoder.hidden_states([1, 2, 3], 2),
    ):
        want = call().clone()
        spoilt = call()
        assert not spoilt.is_inference()
        spoilt.fill_(7.0)
        with torch.enable_grad():
            spoilt.requires_grad_().sum().backward()
        assert torch.equal(call(), want)


def test_writing_to_a_step_s_latents_does_no_harm(pipe):
    want = pipe("a cat", **QUICK).latents
    assert torch.equal(pipe("a cat", on_step=lambda info: info.latents.fill_(0) is None, **QUICK).latents, want)


def test_results_and_images_show_themselves(pipe):
    for count, size in ((1, (32, 32)), (2, (68, 32)), (5, (4 * 36 - 4, 68))):
        result = pipe("a cat", num_images_per_prompt=count, **QUICK)
        shown = Image.open(io.BytesIO(result._repr_png_()))
        assert shown.size == size
        assert np.array_equal(np.asarray(shown)[:32, :32], np.asarray(result.images[0]))
    assert pipe("a cat", output_type="latent", **QUICK)._repr_png_() is None
    image = llmdit.Image(np.full((3, 4, 3), 9, np.uint8))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(image._repr_png_()))), np.asarray(image))


def test_encode_blended_and_the_formatter(pipe):
    weights = {-2: 0.7, -3: 0.6}
    chat = llmdit.format_prompt("a cat")
    want = pipe.text_encoder.encode(chat, layer_weights=weights).embeddings[0]
    assert torch.equal(pipe.text_encoder.encode_blended(chat, weights).embeddings[0], want)
    with pytest.raises((llmdit.InvalidArgument, TypeError, ValueError)):
        pipe.text_encoder.encode_blended(chat, {})
    formatter = llmdit.Qwen3Formatter()
    assert formatter.format_prompt("a cat") == formatter.format(llmdit.make_conversation("a cat")) == chat
