"""Weights in other types, layouts and spellings of configuration."""

import json

import llmdit
import pytest
import tiny_models
import torch
from parity import assert_close, record, relative_error
from reference import run, seeded
from safetensors.torch import load_file, save_file

PROMPT = "a small red circle left of a blue ring"
SIZE = {"width": 48, "height": 48, "num_inference_steps": 4}
HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def latents(pipe, **options):
    return pipe(PROMPT, seed=3, output_type="latent", **SIZE, **options).images


def reference_latents(reference):
    return run(reference, PROMPT, generator=seeded(3), decode=False, **SIZE).latents[-1]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("model", ["base", "wide", "plain"])
def test_half_storage_is_exact_arithmetic_on_rounded_weights(model, dtype, folders):
    """What the reference computes in float32 on the same file, to float32 accuracy."""
    folder = folders(model, HALVES[dtype])
    want = reference_latents(tiny_models.load_pipeline(folder))
    got = latents(llmdit.ZImagePipeline.from_pretrained(folder))
    assert_close(f"{dtype} file, float32 arithmetic", got, want, where=model)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("model", ["base", "wide"])
def test_half_storage_is_no_worse_than_the_reference_s(model, dtype, folders, references):
    """Against the float32 truth, our error with 16-bit weights is at most that of the reference run in 16 bits."""
    truth = references(model)
    half = tiny_models.load_pipeline(folders(model, HALVES[dtype]), HALVES[dtype])
    ours = llmdit.ZImagePipeline.from_pretrained(folders(model), dtype=dtype)

    want = truth.text_encoder(torch.arange(40)[None], output_hidden_states=True).hidden_states[-2][0]
    theirs = half.text_encoder(torch.arange(40)[None], output_hidden_states=True).hidden_states[-2][0]
    bound = relative_error(theirs, want)
    record(
        f"{dtype} text encoder against its float32 self",
        relative_error(ours.text_encoder.hidden_states(list(range(40)), -2), want),
        bound=bound,
        where=model,
    )

    want = reference_latents(truth)
    bound = relative_error(reference_latents(half), want)
    record(f"{dtype} pipeline against its float32 self", relative_error(latents(ours), want), bound=bound, where=model)


def edit_weights(path, edit):
    weights = load_file(path)
    for name, tensor in weights.items():
        weights[name] = edit(name, tensor).contiguous()
    save_file(weights, path, metadata={"format": "pt"})


@pytest.mark.parametrize("dtype", HALVES)
def test_activations_beyond_float16(dtype, model_copy):
    """Field reports D1 and D2: black pictures where activations or sums pass 65504."""
    folder = model_copy("base", HALVES[dtype])
    huge = (
        "feed_forward.w1.weight",
        "feed_forward.w3.weight",
        "to_v.weight",
        "mlp.up_proj.weight",
        "mlp.gate_proj.weight",
    )
    for path in (folder / "transformer").glob("*.safetensors"), (folder / "text_encoder").glob("*.safetensors"):
        for file in path:
            edit_weights(file, lambda name, tensor: tensor * 3000 if name.endswith(huge) else tensor)
    want = reference_latents(tiny_models.load_pipeline(folder))
    got = latents(llmdit.ZImagePipeline.from_pretrained(folder))
    assert_close(f"{dtype} file with huge activations", got, want)


@pytest.mark.parametrize("part", ["text_encoder", "transformer"])
def test_weights_that_are_not_numbers_are_told_where_they_show(part, model_copy):
    """Field reports E1 and D1: NaN goes on as a black picture where nobody looks for it."""
    folder = model_copy()
    name = {"text_encoder": "layers.1.mlp.down_proj.weight", "transformer": "layers.0.feed_forward.w2.weight"}[part]
    [file] = (folder / part).glob("*.safetensors")
    edit_weights(file, lambda key, tensor: tensor * float("nan") if key.endswith(name) else tensor)
    pipe = llmdit.ZImagePipeline.from_pretrained(folder)
    words = {
        "text_encoder": r"\[text_encoder\] the hidden states of layer 3 are not finite.*text_encoder",
        "transformer": r"\[denoise\] the latents are not finite after step 1 of 4",
    }
    with pytest.raises(llmdit.Error, match=words[part]):
        latents(pipe, hidden_layer=-1)


@pytest.mark.parametrize("dtype", HALVES)
def test_dtype_option_is_the_type_the_weights_are_kept_in(dtype, folders):
    for spelling in (dtype, HALVES[dtype]):
        transformer = llmdit.ZImageTransformer.from_pretrained(folders("base"), subfolder="transformer", dtype=spelling)
        kinds = {tensor.dtype for tensor in transformer.state_dict().values()}
        assert HALVES[dtype] in kinds, kinds


def test_dtype_float32_widens_a_half_file(folders):
    folder = folders("base", torch.bfloat16)
    wide = llmdit.ZImagePipeline.from_pretrained(folder, dtype="float32")
    assert {tensor.dtype for tensor in wide.transformer.state_dict().values()} == {torch.float32}
    kept = llmdit.ZImagePipeline.from_pretrained(folder)
    assert_close("bfloat16 file kept and widened", latents(kept), latents(wide), where="base")


def test_sharded_folders(references, folders, tmp_path):
    folder = tiny_models.save_folder(references("base"), tmp_path / "sharded", max_shard_size="400KB")
    for part in ("text_encoder", "transformer", "vae"):
        shards = list((folder / part).glob("*.safetensors"))
        assert len(shards) > (part != "vae"), part
    # Not bit for bit: where a tensor lies in its file decides the kernel's first rows.
    want = latents(llmdit.ZImagePipeline.from_pretrained(folders("base")))
    assert_close(
        "the same weights in other files", latents(llmdit.ZImagePipeline.from_pretrained(folder)), want, where="shards"
    )


def to_transformers_4(config):
    rope = config.pop("rope_parameters")
    config.update(rope_theta=rope["rope_theta"], rope_scaling=None, torch_dtype=config.pop("dtype", "float32"))


def to_transformers_5(config):
    config.pop("rope_theta", None)
    config.setdefault("rope_parameters", {"rope_type": "default", "rope_theta": 1e4})


@pytest.mark.parametrize("spelling", [to_transformers_4, to_transformers_5])
def test_configuration_of_both_transformers_versions(spelling, model_copy, pipelines):
    folder = model_copy("wide")
    tiny_models.edit_json(folder / "text_encoder/config.json", spelling)
    encoder = llmdit.ZImageTextEncoder.from_pretrained(folder, subfolder="text_encoder")
    ours = pipelines("wide").text_encoder
    assert encoder.config.rope_theta == ours.config.rope_theta == 1e4
    assert torch.equal(encoder.hidden_states(list(range(30)), -1), ours.hidden_states(list(range(30)), -1))


def rename_weights(path, rename):
    save_file({rename(name): tensor for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})


def test_names_of_a_bare_qwen3_model(model_copy, pipelines):
    folder = model_copy()
    path = folder / "text_encoder/model.safetensors"
    assert all(name.startswith("model.") for name in load_file(path))
    rename_weights(path, lambda name: name.removeprefix("model."))
    tiny_models.edit_json(
        folder / "text_encoder/config.json", lambda config: config.update(architectures=["Qwen3Model"])
    )
    pipe = llmdit.ZImagePipeline.from_pretrained(folder)
    assert_close("the same weights in other files", latents(pipe), latents(pipelines("base")), where="bare names")


def test_unused_tensors_are_told(model_copy, pipelines):
    folder = model_copy()
    for part, name in (
        ("transformer", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
        ("vae", "diffusion_pytorch_model"),
    ):
        path = folder / part / f"{name}.safetensors"
        weights = load_file(path)
        weights[f"stray.{part}.weight"] = torch.ones(3)
        save_file(weights, path)
    pipe = llmdit.ZImagePipeline.from_pretrained(folder)
    assert pipe.transformer.unused_weights == ["stray.transformer.weight"]
    assert "stray.text_encoder.weight" in "".join(pipe.text_encoder.unused_weights)
    assert pipe.vae.unused_weights == ["stray.vae.weight"]
    result = pipe(PROMPT, seed=3, **SIZE)
    for part in ("transformer", "text_encoder", "vae"):
        assert any(f"stray.{part}.weight" in warning for warning in result.warnings), part
    assert_close("the same weights in other files", result.latents, latents(pipelines("base")), where="strays")


def test_an_untied_head_is_no_stray(model_copy):
    """Some files store lm_head beside the embeddings; it has no part in encoding and is not worth a warning."""
    folder = model_copy()
    path = folder / "text_encoder/model.safetensors"
    weights = load_file(path)
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, path)
    assert llmdit.ZImagePipeline.from_pretrained(folder)(PROMPT, seed=3, **SIZE).warnings == []


def test_folder_names_that_are_not_ascii(folders, tmp_path, pipelines):
    import shutil

    folder = shutil.copytree(folders("base"), tmp_path / "модели и zímage")
    assert torch.equal(latents(llmdit.ZImagePipeline.from_pretrained(folder)), latents(pipelines("base")))


def test_tiny_models_make_every_tensor_matter(references):
    """A parity test proves nothing about a tensor that does not move the output: each one's gradient must be felt."""
    for name in tiny_models.MODELS:
        reference = references(name)
        with torch.enable_grad():
            ids = torch.arange(20)[None]
            text = reference.text_encoder(ids, output_hidden_states=True).hidden_states[-1]
            config = reference.transformer.config
            embeds = [torch.randn(5, config.cap_feat_dim, generator=seeded(1))]
            image = [torch.randn(config.in_channels, 1, 6, 6, generator=seeded(2))]
            velocity = reference.transformer(image, torch.tensor([0.4]), embeds, return_dict=False)[0][0]
            latent = torch.randn(1, config.in_channels, 4, 4, generator=seeded(3))
            pixels = reference.vae.decode(latent).sample
            moments = reference.vae.encode(pixels.detach()).latent_dist.parameters
            for module, output in (
                (reference.text_encoder, text),
                (reference.transformer, velocity),
                (reference.vae, pixels),
            ):
                total = (output * torch.randn(output.shape, generator=seeded(4))).sum()
                if module is reference.vae:
                    total = total + (moments * torch.randn(moments.shape, generator=seeded(5))).sum()
                total.backward()
                for parameter_name, parameter in module.named_parameters():
                    if parameter_name.endswith("to_k.bias"):
                        continue  # adds the same to every score of a row, which softmax takes away again
                    change = (
                        (parameter.grad * parameter).abs().max() if parameter.grad is not None else torch.tensor(0.0)
                    )
                    assert change > 1e-4 * output.detach().abs().max(), f"{name}: {parameter_name} hardly matters"
                module.zero_grad()


def test_manifest_of_the_committed_goldens_is_true():
    """The files under tests/golden are those the manifest lists, made by the versions the project is built for."""
    golden = tiny_models.REPOSITORY / "tests/golden"
    manifest = json.loads((golden / "manifest.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in (golden / "expected").iterdir()) == manifest["files"]
    assert (tiny_models.REPOSITORY / manifest["made_by"]).exists()
