"""The diffusion transformer against diffusers' ZImageTransformer2DModel."""

import llmdit
import pytest
import tiny_models
import torch
from parity import assert_close
from reference import draw

MODELS = list(tiny_models.MODELS)
CHECK = "transformer"


def inputs(model, sizes, captions):
    channels, width = model.config.in_channels, model.config.cap_feat_dim
    latents = [draw(index, channels, 1, h, w) for index, (h, w) in enumerate(sizes)]
    return latents, [draw(100 + length, length, width) for length in captions]


def compare(reference, ours, sizes, captions, t, where):
    latents, embeds = inputs(reference.transformer, sizes, captions)
    want = reference.transformer(latents, t, embeds, return_dict=False)[0]
    got = ours(latents, t, embeds)
    for index, (ours_item, theirs) in enumerate(zip(got, want)):
        assert_close(CHECK, ours_item, theirs, where=f"{where}, item {index}")


@pytest.mark.parametrize("length", [1, 2, 5, 31, 32, 33, 63, 64, 65, 96, 120, 128, 257, 480, 600])
@pytest.mark.parametrize("model", MODELS)
def test_caption_lengths(model, length, references, pipelines):
    compare(
        references(model),
        pipelines(model).transformer,
        [(8, 8)],
        [length],
        torch.tensor([0.3]),
        f"{model}, caption {length}",
    )


# Latent rows and columns: fewer than 32 patches, 32, more; square, wide, tall, one patch, odd patch counts.
@pytest.mark.parametrize("size", [(2, 2), (2, 64), (64, 2), (8, 16), (16, 8), (6, 10), (14, 22), (24, 24), (40, 18)])
@pytest.mark.parametrize("model", MODELS)
def test_latent_sizes(model, size, references, pipelines):
    compare(
        references(model), pipelines(model).transformer, [size], [17], torch.tensor([0.6]), f"{model}, latents {size}"
    )


@pytest.mark.parametrize("captions", [(5, 5), (1, 33), (40, 7, 96), (32, 64, 31, 33)])
@pytest.mark.parametrize("model", MODELS)
def test_batches_of_unequal_captions_and_times(model, captions, references, pipelines):
    t = torch.linspace(0, 0.9, len(captions))
    compare(
        references(model),
        pipelines(model).transformer,
        [(8, 12)] * len(captions),
        captions,
        t,
        f"{model}, captions {captions}",
    )


def test_batch_of_unequal_sizes(references, pipelines):
    compare(
        references("base"),
        pipelines("base").transformer,
        [(8, 8), (4, 20), (2, 2)],
        (33, 5, 64),
        torch.tensor([0.0, 0.5, 1.0]),
        "unequal sizes",
    )


@pytest.mark.parametrize("size", [(48, 48), (60, 70), (80, 84)])
def test_large_pictures_of_two_times(size, references, pipelines):
    """Past the rows that a product packs at a time."""
    sizes, t = [size, (30, 40)], torch.tensor([0.1, 0.8])
    compare(references("base"), pipelines("base").transformer, sizes, [20, 70], t, f"latents {size}")


@pytest.mark.parametrize("t", [0.0, 1e-3, 0.25, 0.999, 1.0])
@pytest.mark.parametrize("model", MODELS)
def test_times(model, t, references, pipelines):
    compare(references(model), pipelines(model).transformer, [(4, 4)], [9], torch.tensor([t]), f"{model}, t {t}")


def test_list_batch_and_frames_are_one(pipe):
    transformer = pipe.transformer
    latents, embeds = inputs(transformer, [(8, 8)] * 2, [5, 5])
    t = torch.tensor([0.2, 0.7])
    want = torch.stack(transformer(latents, t, embeds))
    batch = torch.stack(latents)
    assert want.shape == (2, 16, 1, 8, 8)
    assert torch.equal(transformer(batch, t, embeds), want)
    assert torch.equal(transformer(batch.squeeze(2), t, torch.stack(embeds)), want.squeeze(2))
    assert torch.equal(transformer([item.squeeze(1) for item in latents], [0.2, 0.7], embeds)[1], want[1])
    assert torch.equal(transformer(batch, t, transformer.condition(embeds)), want)
    same = transformer(batch, torch.tensor([0.5, 0.5]), embeds)
    assert torch.equal(transformer(batch, 0.5, embeds), same)
    assert torch.equal(transformer(batch, torch.tensor(0.5), embeds), same)


def test_results_are_ordinary_tensors(pipe):
    latents, embeds = inputs(pipe.transformer, [(4, 4)], [3])
    with torch.enable_grad():
        output = pipe.transformer(latents, 0.5, embeds)[0]
        assert not output.is_inference()
        output += 1
        (output * torch.ones(1, requires_grad=True)).sum().backward()


def test_inputs_of_other_types_and_layouts(pipe):
    transformer = pipe.transformer
    latents, embeds = inputs(transformer, [(8, 12)], [5])
    want = transformer(latents, 0.5, embeds)[0]
    strided = latents[0].transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(transformer([strided], 0.5, embeds)[0], want)
    wide = transformer([latents[0].double()], 0.5, [embeds[0].double()])[0]
    assert_close(CHECK, wide.float(), want, where="float64 inputs")


def test_state_dict_has_the_reference_names(references, pipelines):
    for model in MODELS:
        want = references(model).transformer.state_dict()
        got = pipelines(model).transformer.state_dict()
        assert sorted(got) == sorted(want)
        for name, tensor in want.items():
            assert torch.equal(got[name], tensor), name


def test_longest_caption(pipelines, references):
    transformer = pipelines("base").transformer
    longest = transformer.max_caption_len
    assert longest == llmdit.max_caption_len(transformer.config) == (704 - 2) // 32 * 32 == 672
    compare(references("base"), transformer, [(4, 4)], [longest], torch.tensor([0.1]), "longest caption")
    latents, embeds = inputs(transformer, [(4, 4)], [longest + 1])
    with pytest.raises(llmdit.InvalidArgument, match="672.*673"):
        transformer(latents, 0.5, embeds)


@pytest.mark.parametrize(
    ("latents", "t", "embeds"),
    [
        ([(16, 1, 3, 4)], 0.5, [(5, 48)]),  # odd side
        ([(16, 1, 0, 4)], 0.5, [(5, 48)]),
        ([(16, 1, 130, 4)], 0.5, [(5, 48)]),  # past axes_lens
        ([(15, 1, 4, 4)], 0.5, [(5, 48)]),
        ([(16, 2, 4, 4)], 0.5, [(5, 48)]),
        ([(16, 1, 4, 4)], 0.5, [(5, 47)]),
        ([(16, 1, 4, 4)], 0.5, [(0, 48)]),
        ([(16, 1, 4, 4)], 0.5, []),
        ([], 0.5, []),
        ([(16, 1, 4, 4)], [0.5, 0.6], [(5, 48)]),
        ([(16, 1, 4, 4)] * 2, 0.5, [(5, 48)]),
        ([(16, 1, 4, 4)], 0.5, [(5,)]),
        ([(16,)], 0.5, [(5, 48)]),
    ],
)
def test_shapes_that_do_not_fit(pipe, latents, t, embeds):
    with pytest.raises(llmdit.InvalidArgument):
        pipe.transformer([torch.zeros(shape) for shape in latents], t, [torch.zeros(shape) for shape in embeds])
    latents_ok, embeds_ok = inputs(pipe.transformer, [(4, 4)], [5])
    assert torch.isfinite(pipe.transformer(latents_ok, 0.5, embeds_ok)[0]).all()


def test_wrong_types(pipe):
    for arguments in (("x", 0.5, []), ([1], 0.5, []), ([torch.zeros(16, 1, 4, 4)], "now", [torch.zeros(5, 48)])):
        with pytest.raises(TypeError):
            pipe.transformer(*arguments)


def test_loads_alone(folders):
    transformer = llmdit.ZImageTransformer.from_pretrained(folders("base"), subfolder="transformer")
    assert transformer.config.dim == 64
    assert transformer.config.axes_dims == [4, 6, 6]
    assert transformer.unused_weights == []
    assert "64 wide" in repr(transformer)
