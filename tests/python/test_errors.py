"""Bad input: the right exception, a message that names what came, and a pipeline that still works."""

import json
from pathlib import Path

import llmdit
import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file

SMALL = {"width": 32, "height": 32, "num_inference_steps": 2, "seed": 5}


@pytest.fixture(scope="module")
def picture(pipe):
    return pipe("a cat", **SMALL).latents


@pytest.fixture
def unharmed(pipe, picture):
    """After the test, the same pipeline makes the same picture."""
    yield
    assert torch.equal(pipe("a cat", **SMALL).latents, picture)


def test_exceptions_are_llmdit_s_and_python_s():
    pairs = {
        llmdit.InvalidArgument: ValueError,
        llmdit.NotFound: FileNotFoundError,
        llmdit.Unsupported: NotImplementedError,
        llmdit.OutOfMemory: MemoryError,
        llmdit.Cancelled: RuntimeError,
        llmdit.Error: RuntimeError,
    }
    for ours, builtin in pairs.items():
        assert issubclass(ours, builtin) and issubclass(ours, llmdit.Error) and ours.__module__ == "llmdit"
        assert ours.__doc__
    codes = [ours.code for ours in pairs]
    assert codes == ["invalid_argument", "not_found", "unsupported", "out_of_memory", "cancelled", "internal"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 1021}, r"width.*16.*1021"),
        ({"height": 24}, r"height.*16.*24"),
        ({"width": 0}, r"width.*0"),
        ({"height": -16}, r"height.*-16"),
        ({"width": 10**6}, r"width.*1000000"),
        ({"width": 10**30}, r"width"),
        ({"height": 1040}, r"height.*1024.*1040"),  # 65 patches, the rope table has 64
        ({"num_inference_steps": 0}, r"num_inference_steps.*0"),
        ({"num_inference_steps": -3}, r"num_inference_steps.*-3"),
        ({"num_images_per_prompt": 0}, r"num_images_per_prompt.*0"),
        ({"guidance_scale": float("nan")}, r"guidance_scale.*nan"),
        ({"guidance_scale": float("inf")}, r"guidance_scale.*inf"),
        ({"guidance_scale": -1.0}, r"guidance_scale.*-1"),
        ({"cfg_normalization": -0.5}, r"cfg_normalization"),
        ({"cfg_normalization": float("nan")}, r"cfg_normalization"),
        ({"cfg_truncation": float("nan")}, r"cfg_truncation"),
        ({"shift": 0.0}, r"shift"),
        ({"shift": float("nan")}, r"shift"),
        ({"seed": -1}, r"seed.*-1"),
        ({"seed": 2**64}, r"seed"),
        ({"sigmas": [0.5, 0.9]}, r"0\.9"),
        ({"sigmas": [1.0, float("nan")]}, r"sigmas.*nan"),
        ({"hidden_layer": 7}, r"7"),
        ({"hidden_layer": -9}, r"-9"),
        ({"output_type": "jpeg"}, r"jpeg"),
        ({"latents": torch.zeros(1, 15, 4, 4), "width": None, "height": None}, r"15"),
        ({"latents": torch.zeros(1, 16, 5, 4), "width": None, "height": None}, r"height.*40"),
        ({"latents": torch.zeros(2, 16, 4, 4)}, r"2, 16, 4, 4"),
        ({"latents": torch.zeros(1, 16, 8, 8)}, r"64 x 64"),
        ({"latents": torch.zeros(16, 4, 4), "width": None, "height": None}, r"16, 4, 4"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_values_that_cannot_be(pipe, options, message, unharmed):
    with pytest.raises(ValueError, match=message) as caught:
        pipe("a cat", **{**SMALL, **options})
    assert isinstance(caught.value, llmdit.InvalidArgument) or "output_type" in options


def test_latents_that_are_not_finite(pipe, unharmed):
    with pytest.raises(llmdit.Error, match="finite"):
        pipe("a cat", latents=torch.full((1, 16, 4, 4), float("nan")), num_inference_steps=2)


@pytest.mark.skipif(
    Path("/proc/sys/vm/overcommit_memory").exists()
    and Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "1",
    reason="this system promises memory that it does not have",
)
def test_too_little_memory(pipe, unharmed):
    latents = torch.zeros(1, 16, 1, 1).expand(1, 16, 200_000, 200_000)
    with pytest.raises(MemoryError) as caught:
        pipe.vae.decode(latents)
    assert isinstance(caught.value, llmdit.OutOfMemory)


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        (None, {}),
        ([], {}),
        ("a cat", {"prompt_embeds": [torch.zeros(5, 48)]}),
        (None, {"prompt_embeds": []}),
        (None, {"prompt_embeds": [torch.full((5, 48), torch.nan)]}),
        (None, {"prompt_embeds": [torch.zeros(5, 48), torch.full((5, 48), torch.inf)]}),
        (None, {"prompt_embeds": [torch.zeros(5, 47)]}),
        (None, {"prompt_embeds": [torch.zeros(0, 48)]}),
        (
            None,
            {
                "prompt_embeds": [torch.zeros(5, 48)],
                "guidance_scale": 1.0,
                "negative_prompt_embeds": [torch.zeros(5, 40)],
            },
        ),
        (["a", "b"], {"guidance_scale": 1.0, "negative_prompt": ["x", "y", "z"]}),
    ],
)
def test_prompts_that_cannot_be(pipe, prompt, options, unharmed):
    with pytest.raises(llmdit.InvalidArgument):
        pipe(prompt, **SMALL, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": "32"}, r"width takes an integer, got '32' of type str"),
        ({"width": 32.0}, r"width takes an integer"),
        ({"width": True}, r"width takes an integer"),
        ({"guidance_scale": "high"}, r"guidance_scale takes a number"),
        ({"guidance_scale": True}, r"guidance_scale takes a number"),
        ({"seed": 1.5}, r"seed takes an integer"),
        ({"strip_quotes": 1}, r"strip_quotes takes True or False"),
        ({"system_prompt": b"x"}, r"system_prompt takes a string"),
        ({"sigmas": 0.5}, r"sigmas takes a sequence of numbers"),
        ({"sigmas": "1.0"}, r"sigmas takes a sequence of numbers"),
        ({"sigmas": ["a"]}, r"sigmas takes a sequence of numbers"),
        ({"latents": [1, 2]}, r"latents as a torch.Tensor"),
        ({"prompt_embeds": "x"}, r"prompt_embeds as a list of torch.Tensor"),
        ({"generator": 5}, r"generator as a torch.Generator"),
        ({"on_step": 5}, r"on_step takes a callable"),
        ({"widht": 32}, r"unexpected keyword argument 'widht'; did you mean 'width'\?"),
        ({"num_steps": 2}, r"did you mean"),
        ({"on_stepp": print}, r"did you mean 'on_step'\?"),
        ({"zzz": 1}, r"unexpected keyword argument 'zzz'; known are prompt, "),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_types_and_keywords(pipe, options, message, unharmed):
    with pytest.raises(TypeError, match=message):
        pipe("a cat", **{**SMALL, **options})


@pytest.mark.parametrize("prompt", [5, b"a cat", ["a cat", 5], [None]])
def test_prompts_of_another_type(pipe, prompt, unharmed):
    with pytest.raises(TypeError, match="prompt is a string"):
        pipe(prompt, **SMALL)


def test_only_the_prompt_is_positional(pipe):
    with pytest.raises(TypeError, match="positional"):
        pipe("a cat", "blurry")


def test_numpy_and_torch_numbers_are_numbers(pipe, picture):
    import numpy as np

    options = {
        "width": np.int64(32),
        "height": torch.tensor(32),
        "num_inference_steps": np.uint8(2),
        "seed": np.uint64(5),
    }
    got = pipe(
        "a cat", guidance_scale=np.float32(0), cfg_truncation=torch.tensor(1.0), strip_quotes=np.bool_(False), **options
    )
    assert torch.equal(got.latents, picture)


def test_longest_caption(pipe, unharmed):
    """672 tokens fit the tiny model's rope table, 673 do not; which tokens is of no matter. Nothing is cut silently."""
    longest = pipe.transformer.max_caption_len
    word, overhead = " a", len(pipe.tokenizer.encode(llmdit.format_prompt("")))
    fits = word * (longest - overhead)
    result = pipe(fits, **{**SMALL, "num_inference_steps": 1})
    assert result.token_counts == [longest]
    for prompts in (
        {"prompt": fits + word},
        {"prompt": "a cat", "negative_prompt": fits + word, "guidance_scale": 1.0},
    ):
        longer = pipe(**prompts, **{**SMALL, "num_inference_steps": 1})
        [warning] = longer.warnings
        assert f"has {longest + 1} tokens" in warning and f"takes {longest}" in warning
    with pytest.raises(llmdit.InvalidArgument, match=f"{longest}.*{longest + 1}"):
        pipe.transformer.condition([torch.zeros(longest + 1, pipe.transformer.config.cap_feat_dim)])


FILES = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name, model_copy):
    folder = model_copy()
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        llmdit.ZImagePipeline.from_pretrained(folder)
    part = Path(name).parent.name or folder.name
    assert part in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    for loader in (
        llmdit.ZImagePipeline,
        llmdit.ZImageTransformer,
        llmdit.AutoencoderKL,
        llmdit.Tokenizer,
        llmdit.ZImageTextEncoder,
    ):
        with pytest.raises(llmdit.NotFound, match="nowhere"):
            loader.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("json")])
@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"a": }', "\x00\xff"])
def test_damaged_json(name, content, model_copy):
    folder = model_copy()
    (folder / name).write_text(content, encoding="latin-1")
    with pytest.raises(llmdit.Unsupported) as caught:
        llmdit.ZImagePipeline.from_pretrained(folder)
    assert Path(name).name in str(caught.value)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("safetensors")])
@pytest.mark.parametrize("keep", [0, 4, 8, 100, -100, -1])
def test_truncated_weights(name, keep, model_copy):
    path = model_copy() / name
    content = path.read_bytes()
    path.write_bytes(content[:keep] if keep >= 0 else content[: len(content) + keep])
    with pytest.raises(llmdit.Unsupported) as caught:
        llmdit.ZImagePipeline.from_pretrained(path.parents[1])
    assert path.name in str(caught.value)


def test_width_of_encoder_and_transformer_must_agree(model_copy, folders):
    import shutil

    folder = model_copy("base")
    shutil.rmtree(folder / "text_encoder")
    shutil.copytree(folders("wide") / "text_encoder", folder / "text_encoder")
    with pytest.raises(llmdit.Unsupported) as caught:
        llmdit.ZImagePipeline.from_pretrained(folder)
    for part in ("64", "48", str(folder / "text_encoder/config.json"), str(folder / "transformer/config.json")):
        assert part in str(caught.value)


def test_channels_of_autoencoder_and_transformer_must_agree(model_copy, folders):
    import shutil

    folder = model_copy("base")
    shutil.rmtree(folder / "vae")
    shutil.copytree(folders("dynamic") / "vae", folder / "vae")
    with pytest.raises(llmdit.Unsupported, match=r"latent_channels 4 .*in_channels 16"):
        llmdit.ZImagePipeline.from_pretrained(folder)


@pytest.mark.parametrize(
    ("part", "file", "tensor"),
    [
        ("transformer", "diffusion_pytorch_model", "layers.1.attention.to_k.weight"),
        ("text_encoder", "model", "model.layers.2.mlp.up_proj.weight"),
        ("vae", "diffusion_pytorch_model", "decoder.conv_in.weight"),
    ],
)
def test_a_tensor_of_another_shape_or_none(part, file, tensor, model_copy):
    path = model_copy() / part / f"{file}.safetensors"
    weights = load_file(path)
    shape = list(weights[tensor].shape)
    weights[tensor] = weights[tensor][:-1].contiguous()
    save_file(weights, path)
    with pytest.raises(llmdit.Unsupported) as caught:
        llmdit.ZImagePipeline.from_pretrained(path.parents[1])
    for word in (tensor, path.name, str(shape[0]), str(shape[0] - 1)):
        assert word in str(caught.value), word
    del weights[tensor]
    save_file(weights, path)
    with pytest.raises(llmdit.Error) as caught:
        llmdit.ZImagePipeline.from_pretrained(path.parents[1])
    assert tensor in str(caught.value)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("model_index.json", {"_class_name": "FluxPipeline"}),
        ("transformer/config.json", {"_class_name": "FluxTransformer2DModel"}),
        ("transformer/config.json", {"siglip_feat_dim": 64}),
        ("transformer/config.json", {"all_patch_size": [4]}),
        ("transformer/config.json", {"axes_dims": [4, 6, 8]}),
        ("transformer/config.json", {"dim": -64}),
        ("transformer/config.json", {"n_heads": 5}),
        ("transformer/config.json", {"n_layers": "two"}),
        ("text_encoder/config.json", {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}),
        ("text_encoder/config.json", {"hidden_act": "gelu"}),
        ("text_encoder/config.json", {"attention_bias": True}),
        ("text_encoder/config.json", {"use_sliding_window": True, "sliding_window": 8}),
        ("text_encoder/config.json", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0}}),
        ("text_encoder/config.json", {"num_key_value_heads": 3}),
        ("vae/config.json", {"_class_name": "AutoencoderTiny"}),
        ("vae/config.json", {"act_fn": "relu"}),
        ("vae/config.json", {"norm_num_groups": 3}),
        ("scheduler/scheduler_config.json", {"_class_name": "EulerDiscreteScheduler"}),
        ("scheduler/scheduler_config.json", {"use_karras_sigmas": True}),
        ("scheduler/scheduler_config.json", {"invert_sigmas": True}),
        ("scheduler/scheduler_config.json", {"shift_terminal": 0.02}),
        ("scheduler/scheduler_config.json", {"time_shift_type": "cubic"}),
        ("scheduler/scheduler_config.json", {"shift": -3.0}),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 500}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_configurations_that_would_change_the_picture_are_refused(file, change, model_copy):
    folder = model_copy()
    tiny_models.edit_json(folder / file, lambda config: config.update(change))
    with pytest.raises(llmdit.Unsupported) as caught:
        llmdit.ZImagePipeline.from_pretrained(folder)
    assert file in str(caught.value)


def test_a_shard_that_is_missing(references, tmp_path):
    folder = tiny_models.save_folder(references("base"), tmp_path / "sharded", max_shard_size="400KB")
    shard = sorted((folder / "transformer").glob("*-of-*.safetensors"))[-1]
    shard.unlink()
    with pytest.raises(llmdit.NotFound, match=shard.name):
        llmdit.ZImagePipeline.from_pretrained(folder)


def test_a_shard_index_that_leaves_its_folder(references, tmp_path):
    folder = tiny_models.save_folder(references("base"), tmp_path / "sharded", max_shard_size="400KB")
    index = folder / "transformer/diffusion_pytorch_model.safetensors.index.json"
    content = json.loads(index.read_text())
    first = next(iter(content["weight_map"]))
    content["weight_map"][first] = "../vae/diffusion_pytorch_model.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(llmdit.Unsupported, match="index"):
        llmdit.ZImagePipeline.from_pretrained(folder)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"dtype": "int7"}, llmdit.InvalidArgument, "int7"),
        ({"dtype": torch.int64}, llmdit.InvalidArgument, "int64"),
        ({"dtype": 16}, TypeError, "dtype takes a string"),
        ({"device": "quantum"}, llmdit.Error, "quantum"),
        ({"dtpye": "float32"}, TypeError, "did you mean 'dtype'"),
    ],
)
def test_load_options(options, kind, message, folders):
    for load in (
        llmdit.ZImagePipeline.from_pretrained,
        lambda path, **o: llmdit.AutoencoderKL.from_pretrained(path / "vae", **o),
    ):
        with pytest.raises(kind, match=message):
            load(folders("base"), **options)


def test_torch_device_objects(folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), device=torch.device("cpu"), vae_device="cpu")
    assert pipe("a cat", **SMALL).seeds == [5]
