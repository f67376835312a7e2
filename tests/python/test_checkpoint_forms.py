"""One model in every form that files of other tools have: the same weights, the same picture, or the reason why not."""

import json
import os
import shutil

import checkpoint_forms as forms
import command
import llmdit
import pytest
import torch
from parity import relative_error
from safetensors.torch import load_file, save_file

SMALL = {"width": 48, "height": 32, "num_inference_steps": 2, "seed": 4, "output_type": "pt"}
PARTS = {"transformer": "diffusion_pytorch_model", "text_encoder": "model", "vae": "diffusion_pytorch_model"}
CLASSES = {
    "transformer": llmdit.ZImageTransformer,
    "text_encoder": llmdit.ZImageTextEncoder,
    "vae": llmdit.AutoencoderKL,
}


@pytest.fixture(scope="module")
def folder(folders):
    return folders("base")


@pytest.fixture(scope="module")
def states(folder):
    return {part: load_file(folder / part / f"{stem}.safetensors") for part, stem in PARTS.items()}


@pytest.fixture(scope="module")
def picture(pipelines):
    return pipelines("base")("a cat", **SMALL).images


def save(state, path, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata=metadata or None)
    return path


def load_beside(folder, part, path, **options):
    """The model `folder` with one part from another file."""
    return llmdit.ZImagePipeline.from_pretrained(folder, **{f"{part}_path": str(path)}, **options)


def assert_same(pipe, picture, bound=1e-5):
    """Not bit for bit: where a tensor lies in its file decides the kernel's first rows."""
    assert pipe.transformer.unused_weights == [] and pipe.vae.unused_weights == []
    assert pipe.text_encoder.unused_weights == []
    assert relative_error(pipe("a cat", **SMALL).images, picture) <= bound


# --- lossless layouts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", forms.TRANSFORMER_PREFIXES)
@pytest.mark.parametrize("layout", ["diffusers", "original", "mixed"])
def test_transformer_layouts(layout, prefix, folder, states, picture, tmp_path):
    state = states["transformer"]
    if layout == "original":
        state = forms.original_transformer(state)
        assert len(state) < len(states["transformer"])
    if layout == "mixed":
        state = forms.mixed_transformer(state)
    path = save(forms.with_prefix(state, prefix), tmp_path / "any name.safetensors")
    pipe = load_beside(folder, "transformer", path)
    want = states["transformer"]
    got = pipe.transformer.state_dict()
    assert got.keys() == want.keys()
    assert all(torch.equal(got[name], want[name]) for name in want)
    assert_same(pipe, picture)


def test_prefixes_and_layouts_key_by_key(folder, states, picture, tmp_path):
    """A file stitched together from several: every key is mapped by itself."""
    original = list(forms.original_transformer(states["transformer"]).items())
    state = {}
    for i, (name, tensor) in enumerate(original):
        state[forms.TRANSFORMER_PREFIXES[i % 4] + name] = tensor
    assert_same(load_beside(folder, "transformer", save(state, tmp_path / "x.safetensors")), picture)


@pytest.mark.parametrize("shape", ["vector", "matrix"])
def test_pad_tokens_of_any_rank(shape, folder, states, picture, tmp_path):
    state = dict(states["transformer"])
    for name in ("x_pad_token", "cap_pad_token"):
        state[name] = state[name].flatten() if shape == "vector" else state[name].reshape(1, -1)
    assert_same(load_beside(folder, "transformer", save(state, tmp_path / "x.safetensors")), picture)


@pytest.mark.parametrize("prefix", forms.TEXT_ENCODER_PREFIXES)
@pytest.mark.parametrize("inner", ["", "model."])
def test_text_encoder_names(inner, prefix, folder, states, picture, tmp_path):
    state = {prefix + inner + n.removeprefix("model."): t for n, t in states["text_encoder"].items()}
    state[prefix + "logit_scale"] = torch.zeros(1)  # a known stray
    state[prefix + "lm_head.weight"] = states["text_encoder"]["model.embed_tokens.weight"].clone()
    pipe = load_beside(folder, "text_encoder", save(state, tmp_path / "x.safetensors"))
    assert pipe.tokenizer.encode("a cat") == llmdit.Tokenizer.from_pretrained(folder / "tokenizer").encode("a cat")
    assert_same(pipe, picture)


@pytest.mark.parametrize("prefix", forms.VAE_PREFIXES)
@pytest.mark.parametrize("form", ["diffusers", "single_file_vae", "early_diffusers_vae"])
def test_vae_names(form, prefix, folder, states, picture, tmp_path):
    """Field report V9: either naming, told by the names alone, with full coverage."""
    state = states["vae"] if form == "diffusers" else getattr(forms, form)(states["vae"])
    pipe = load_beside(folder, "vae", save(forms.with_prefix(state, prefix), tmp_path / "AE.safetensors"))
    pixels = torch.rand(1, 3, 32, 32) * 2 - 1
    want = llmdit.AutoencoderKL.from_pretrained(folder / "vae").encode(pixels).mean
    assert relative_error(pipe.vae.encode(pixels).mean, want) <= 1e-5
    assert_same(pipe, picture)


@pytest.mark.parametrize("form", ["diffusers", "single_file_vae"])
def test_a_vae_without_encoder_decodes_and_refuses_to_encode(form, folder, states, picture, tmp_path):
    state = states["vae"] if form == "diffusers" else forms.single_file_vae(states["vae"])
    path = save({n: t for n, t in state.items() if not n.startswith("encoder.")}, tmp_path / "decoder.safetensors")
    pipe = load_beside(folder, "vae", path)
    assert_same(pipe, picture)
    with pytest.raises(llmdit.Unsupported, match=r"encoder.*only a decoder"):
        pipe.vae.encode(torch.zeros(1, 3, 32, 32))


def all_in_one(states, *, with_vae=True):
    state = forms.with_prefix(forms.original_transformer(states["transformer"]), "model.diffusion_model.")
    state |= forms.with_prefix(states["text_encoder"], "text_encoders.qwen3_4b.transformer.")
    if with_vae:
        state |= forms.with_prefix(forms.single_file_vae(states["vae"]), "vae.")
    return state


def test_an_all_in_one_file(folder, states, picture, tmp_path):
    path = save(all_in_one(states), tmp_path / "all.safetensors")
    parts = {f"{part}_path": str(path) for part in PARTS}
    assert_same(llmdit.ZImagePipeline.from_pretrained(folder, **parts), picture)


def test_an_all_in_one_file_alone(folder, states, tmp_path):
    """Its own path is the model; what it lacks is named together with the option that brings it."""
    metadata = {f"llmdit.{part}_config": (folder / part / "config.json").read_text(encoding="utf-8") for part in PARTS}
    path = save(all_in_one(states), tmp_path / "all.safetensors", **metadata)
    with pytest.raises(llmdit.NotFound, match=r"tokenizer.*--tokenizer-path"):
        llmdit.ZImagePipeline.from_pretrained(path)
    pipe = llmdit.ZImagePipeline.from_pretrained(path, tokenizer_path=folder / "tokenizer")
    result = pipe("a cat", **SMALL)
    assert any("scheduler" in warning and "3" in warning for warning in result.warnings)
    assert pipe.scheduler.config.shift == 3.0
    assert result.images.shape == (1, 3, 32, 48)
    path = save(all_in_one(states, with_vae=False), tmp_path / "no vae.safetensors", **metadata)
    with pytest.raises(llmdit.NotFound, match=r"vae.*--vae-path"):
        llmdit.ZImagePipeline.from_pretrained(path, tokenizer_path=folder / "tokenizer")


def comfy_folder(states, root):
    save(forms.original_transformer(states["transformer"]), root / "diffusion_models/any.safetensors")
    save(states["text_encoder"], root / "text_encoders/thing.safetensors")
    save(forms.single_file_vae(states["vae"]), root / "vae/AE.safetensors")
    return root


def test_comfyui_s_three_folders(folder, states, picture, tmp_path):
    root = comfy_folder(states, tmp_path / "models")
    for part in PARTS:  # what these tiny files do not tell
        place = {"transformer": "diffusion_models", "text_encoder": "text_encoders", "vae": "vae"}[part]
        shutil.copy(folder / part / "config.json", root / place / "config.json")
    pipe = llmdit.ZImagePipeline.from_pretrained(root, tokenizer_path=folder / "tokenizer")
    assert_same(pipe, picture)
    assert pipe("a cat", **SMALL).warnings and pipe.path == root

    save(forms.original_transformer(states["transformer"]), root / "diffusion_models/other.safetensors")
    with pytest.raises(llmdit.NotFound, match=r"several \(any.safetensors, other.safetensors\).*--transformer-path"):
        llmdit.ZImagePipeline.from_pretrained(root, tokenizer_path=folder / "tokenizer")


def test_inspect_names_the_parts_of_such_a_folder(states, tmp_path):
    info = llmdit.inspect(comfy_folder(states, tmp_path / "models"))
    assert info.kind == llmdit.FileKind.model_folder
    assert [load.component for part in info.components for load in part.loads] == list(PARTS)[1::-1] + ["vae"]


def test_commands_for_the_encoder_take_a_folder_of_single_files(states, folder, tmp_path):
    """They ask for the parts they need only: there is no autoencoder here."""
    root = comfy_folder(states, tmp_path / "models")
    (root / "vae/AE.safetensors").unlink()
    shutil.copy(folder / "text_encoder/config.json", root / "text_encoders/config.json")
    shutil.copytree(folder / "tokenizer", root / "tokenizer")

    def told(name, model):
        done = command.llmdit(name, "a cat", "--model-path", model, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        return {key: value for key, value in document.items() if key not in ("model", "max_tokens")}

    for name in ("encode", "format"):
        assert told(name, root) == told(name, folder)
    with pytest.raises(llmdit.NotFound, match=r"vae.*--vae-path"):
        llmdit.ZImagePipeline.from_pretrained(root)


def test_every_part_by_its_own_path(folder, picture):
    parts = {f"{part}_path": folder / part for part in [*PARTS, "tokenizer"]}
    pipe = llmdit.ZImagePipeline.from_pretrained(**parts)
    assert_same(pipe, picture)
    del parts["vae_path"]
    with pytest.raises(llmdit.NotFound, match=r"vae.*--vae-path"):
        llmdit.ZImagePipeline.from_pretrained(**parts)


def test_sizes_are_told_by_the_tensors(folder, states, tmp_path):
    """A bare file far from any configuration."""
    path = save(forms.original_transformer(states["transformer"]), tmp_path / "bare.safetensors")
    ours, known = (
        llmdit.ZImageTransformer.from_pretrained(path),
        llmdit.ZImageTransformer.from_pretrained(folder / "transformer"),
    )
    for name in (
        "dim",
        "n_layers",
        "n_refiner_layers",
        "n_heads",
        "cap_feat_dim",
        "in_channels",
        "qk_norm",
        "axes_dims",
    ):
        assert getattr(ours.config, name) == getattr(known.config, name), name
    assert list(ours.config.axes_lens) == [1536, 512, 512]  # the published model's
    path = save(states["text_encoder"], tmp_path / "encoder.safetensors")
    encoder = llmdit.ZImageTextEncoder.from_pretrained(path, tokenizer_path=folder / "tokenizer")
    want = llmdit.ZImageTextEncoder.from_pretrained(folder / "text_encoder")
    assert torch.equal(encoder.hidden_states([1, 2, 3], -2), want.hidden_states([1, 2, 3], -2))
    path = save(forms.single_file_vae(states["vae"]), tmp_path / "ae.safetensors")
    vae = llmdit.AutoencoderKL.from_pretrained(path, config_path=folder / "vae")
    assert vae.config.block_out_channels == [8, 16, 16, 32] and vae.config.norm_num_groups == 4


def test_strays_are_dropped_and_the_rest_is_told(folder, states, picture, tmp_path):
    """Field report W6."""
    state = forms.original_transformer(states["transformer"])
    state["norm_final.weight"] = torch.full((64,), float("nan"))
    pipe = load_beside(folder, "transformer", save(state, tmp_path / "x.safetensors"))
    assert_same(pipe, picture)
    state["layers.0.attention.unheard_of.weight"] = torch.zeros(3)
    pipe = load_beside(folder, "transformer", save(state, tmp_path / "y.safetensors"))
    assert pipe.transformer.unused_weights == ["layers.0.attention.unheard_of.weight"]
    assert any("unheard_of" in warning for warning in pipe("a cat", **SMALL).warnings)
    del state["layers.1.feed_forward.w2.weight"]
    with pytest.raises(llmdit.Unsupported, match=r"layers\.1\.feed_forward\.w2\.weight.*found none"):
        load_beside(folder, "transformer", save(state, tmp_path / "z.safetensors"))


def test_two_tensors_for_one_place(folder, states, tmp_path):
    state = dict(states["transformer"])
    state["layers.0.attention.out.weight"] = state["layers.0.attention.to_out.0.weight"].clone()
    with pytest.raises(llmdit.Unsupported, match=r"attention\.to_out\.0\.weight.*expected one of them"):
        load_beside(folder, "transformer", save(state, tmp_path / "x.safetensors"))


# --- 8-bit storage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["diffusers", "original"])
@pytest.mark.parametrize("spelling", ["old", "new"])
@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8], ids=str)
def test_scaled_8_bit_weights(dtype, per_row, spelling, layout, folder, states, tmp_path):
    """Field reports W5, E8: scales are multiplied in, in both spellings; the weights stay in 8 bits."""
    state = states["transformer"] if layout == "diffusers" else forms.original_transformer(states["transformer"])
    stored = forms.scaled(state, dtype, spelling, per_row=per_row)
    path = save(stored, tmp_path / "x.safetensors")
    got = llmdit.ZImageTransformer.from_pretrained(path, config_path=folder / "transformer").state_dict()
    plain = save(forms.unscaled(stored), tmp_path / "plain.safetensors")
    want = llmdit.ZImageTransformer.from_pretrained(plain, config_path=folder / "transformer").state_dict()
    assert got.keys() == want.keys()
    assert all(torch.equal(got[name], want[name]) for name in want)
    pipe = load_beside(folder, "transformer", path)
    assert_same(pipe, load_beside(folder, "transformer", plain)("a cat", **SMALL).images)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_plain_fp8_weights(dtype, folder, states, tmp_path):
    state = {n: t.to(dtype) if forms.is_block_matrix(n, t) else t for n, t in states["transformer"].items()}
    pipe = load_beside(folder, "transformer", save(state, tmp_path / "x.safetensors"))
    plain = save({n: t.float() for n, t in state.items()}, tmp_path / "plain.safetensors")
    assert_same(pipe, load_beside(folder, "transformer", plain)("a cat", **SMALL).images)


def test_a_scaled_text_encoder(folder, states, tmp_path):
    prefix = "text_encoders.qwen3_4b."
    state = forms.scaled(states["text_encoder"], torch.float8_e4m3fn, "old")
    state["model.embed_tokens.weight"] = state["model.embed_tokens.weight"].to(torch.float8_e4m3fn)
    pipe = load_beside(folder, "text_encoder", save(forms.with_prefix(state, prefix), tmp_path / "x.safetensors"))
    plain = {n: t.float() for n, t in forms.unscaled(state).items()}
    want = load_beside(folder, "text_encoder", save(plain, tmp_path / "plain.safetensors"))
    assert_same(pipe, want("a cat", **SMALL).images)


def test_quantised_weights_in_a_type_that_is_asked_for(folder, states, tmp_path):
    path = save(forms.scaled(states["transformer"], torch.int8, "new", per_row=True), tmp_path / "x.safetensors")
    wide = llmdit.ZImageTransformer.from_pretrained(path, config_path=folder / "transformer", dtype="bfloat16")
    kept = llmdit.ZImageTransformer.from_pretrained(path, config_path=folder / "transformer")
    name = "layers.0.attention.to_q.weight"
    assert wide.state_dict()[name].dtype == torch.bfloat16
    assert torch.equal(wide.state_dict()[name], kept.state_dict()[name].bfloat16())


def test_a_scale_without_its_weight(folder, states, tmp_path):
    state = dict(states["transformer"]) | {"layers.7.attention.to_q.scale_weight": torch.ones(1)}
    with pytest.raises(llmdit.Unsupported, match=r"layers\.7\.attention\.to_q\.scale_weight.*not there"):
        load_beside(folder, "transformer", save(state, tmp_path / "x.safetensors"))


def test_integers_without_a_scale(folder, states, tmp_path):
    state = forms.scaled(states["transformer"], torch.int8, "new")
    del state["layers.0.attention.to_q.weight_scale"]
    with pytest.raises(llmdit.Unsupported, match=r"scale.*layers\.0\.attention\.to_q"):
        load_beside(folder, "transformer", save(state, tmp_path / "x.safetensors"))


@pytest.mark.parametrize(
    ("companion", "value", "words"),
    [
        ("layers.0.attention.to_qkv.wscales", torch.ones(4), "SVDQuant"),
        ("layers.0.attention.to_qkv.qweight", torch.ones(4, dtype=torch.int8), "SVDQuant"),
        ("layers.0.attention.to_q.qzeros", torch.ones(4, dtype=torch.int32), "GPTQ"),
        (
            "layers.0.attention.to_q.weight.quant_state.bitsandbytes__nf4",
            torch.ones(4, dtype=torch.uint8),
            "bitsandbytes",
        ),
        ("layers.0.attention.to_q.weight.absmax", torch.ones(4), "bitsandbytes"),
        ("layers.0.attention.to_q.weight_scale_2", torch.ones(1), "NVFP4"),
        ("layers.0.attention.to_q.comfy_quant", {"format": "mxfp8"}, "mxfp8"),
        ("layers.0.attention.to_q.comfy_quant", {"format": "int8_tensorwise", "convrot": True}, "convrot"),
        ("layers.0.attention.to_q.comfy_quant", "{", "JSON"),
    ],
)
def test_kinds_that_are_refused_by_name(companion, value, words, folder, states, tmp_path):
    """Field report W12."""
    if not isinstance(value, torch.Tensor):
        text = value if isinstance(value, str) else json.dumps(value)
        value = torch.tensor(list(text.encode()), dtype=torch.uint8)
    path = save(dict(states["transformer"]) | {companion: value}, tmp_path / "x.safetensors")
    with pytest.raises(llmdit.Unsupported, match=words):
        load_beside(folder, "transformer", path)
    problems = [p for load in llmdit.inspect(path).loads for p in load.problems]
    assert len(problems) == 1 and words in problems[0]


# --- what is no such model --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({"layers.0.attention.to_q.lora_A.weight": (4, 64), "layers.0.attention.to_q.lora_B.weight": (64, 4)}, "LoRA"),
        ({"double_blocks.0.img_attn.qkv.weight": (4, 4)}, "Flux"),
        ({"decoder.1.conv.0.weight": (4, 4)}, "TAESD"),
        ({"something.else": (2,)}, "no known model"),
    ],
)
@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_a_file_of_another_kind(part, tensors, found, folder, tmp_path):
    """Field report L15: a LoRA has the stems of its model and is none."""
    path = save({name: torch.zeros(shape) for name, shape in tensors.items()}, tmp_path / "x.safetensors")
    with pytest.raises(llmdit.Unsupported, match=rf"expected.*found.*{found}"):
        load_beside(folder, part, path)


def test_lumina_2_has_the_same_names(tmp_path):
    state = {
        "cap_embedder.0.weight": torch.zeros(16),
        "cap_embedder.1.weight": torch.zeros(2304, 16),
        "layers.0.adaLN_modulation.0.weight": torch.zeros(4, 4),
    }
    with pytest.raises(llmdit.Unsupported, match="Lumina-2"):
        llmdit.ZImageTransformer.from_pretrained(save(state, tmp_path / "x.safetensors"))


# --- inspect ----------------------------------------------------------------------------------------------------------


def test_inspect_tells_how_every_tensor_maps(states, folder, tmp_path):
    config = (folder / "vae/config.json").read_text(encoding="utf-8")  # the group norms are not told by the tensors
    path = save(all_in_one(states), tmp_path / "all.safetensors", **{"llmdit.vae_config": config})
    info = llmdit.inspect(path)
    assert info.model == "Qwen3Model + ZImageTransformer2DModel + AutoencoderKL"
    assert [load.component for load in info.loads] == ["text_encoder", "transformer", "vae"]
    assert all(load.problems == [] and load.unused == [] for load in info.loads), info.loads
    becomes = {tensor.name: tensor.becomes for tensor in info.tensors}
    stem = "layers.0.attention."
    assert becomes[f"model.diffusion_model.{stem}qkv.weight"] == sorted(f"{stem}to_{p}.weight" for p in "qkv")
    assert all(becomes.values())
    reached = [name for names in becomes.values() for name in names]
    assert len(reached) == len(set(reached)) == sum(len(state) for state in states.values())


def test_inspect_tells_what_would_be_missing(states, tmp_path):
    state = forms.original_transformer(states["transformer"])
    for name in ("layers.0.attention.qkv.weight", "layers.1.ffn_norm1.weight"):
        del state[name]
    state["layers.1.feed_forward.w1.weight"] = torch.zeros(3, 5)
    (load,) = llmdit.inspect(save(state, tmp_path / "x.safetensors")).loads
    assert len(load.problems) == 5
    for words in ("layers.0.attention.to_q.weight", "layers.1.ffn_norm1.weight", "[3, 5]"):
        assert any(words in problem for problem in load.problems), words


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("transformer", "n_layers"),
        ("transformer", "n_refiner_layers"),
        ("text_encoder", "num_hidden_layers"),
        ("vae", "layers_per_block"),
    ],
)
def test_a_model_without_end_is_refused(part, key, folder, states, tmp_path):
    """A small file whose configuration names more layers than memory has bytes."""
    config = json.loads((folder / part / "config.json").read_text(encoding="utf-8")) | {key: 2**31 - 1}
    path = save(states[part], tmp_path / "x.safetensors", **{f"llmdit.{part}_config": json.dumps(config)})
    (load,) = llmdit.inspect(path).loads
    assert any(f"expected {key}" in problem and "1000, found 2147483647" in problem for problem in load.problems)


# --- hub ids ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    """A cache that holds the model as organisation/name."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    commit = "0123456789abcdef0123456789abcdef01234567"
    root = tmp_path / "cache/hub/models--some-one--tiny.model"
    shutil.copytree(folder, root / "snapshots" / commit)
    (root / "refs/pr").mkdir(parents=True)
    (root / "refs/main").write_text(commit)
    (root / "refs/pr/1").write_text(commit + "\n")
    return tmp_path / "cache", commit


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"])
def test_hub_ids_are_found_in_the_local_cache(variable, hub, picture, monkeypatch, tmp_path):
    cache, commit = hub
    if variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setenv(variable, str(cache / "hub"))
    elif variable == "HF_HOME":
        monkeypatch.setenv("PLACE", str(tmp_path))
        monkeypatch.setenv(variable, "$PLACE/cache")
    else:
        inside = tmp_path / ("home/.cache" if variable == "HOME" else "xdg") / "huggingface"
        inside.parent.mkdir(parents=True)
        os.symlink(cache, inside)
        monkeypatch.setenv(variable, str(inside.parent.parent if variable == "HOME" else inside.parent))
    for name in ("some-one/tiny.model", "some-one/tiny.model@pr/1", f"some-one/tiny.model@{commit}"):
        assert_same(llmdit.ZImagePipeline.from_pretrained(name), picture)


def test_hub_ids_that_are_not_there(hub, monkeypatch):
    cache, _ = hub
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "hub"))
    with pytest.raises(llmdit.NotFound, match=r"some-one/other.*hub cache.*hf download some-one/other"):
        llmdit.ZImagePipeline.from_pretrained("some-one/other")
    with pytest.raises(llmdit.NotFound, match=r"revision v9"):
        llmdit.ZImagePipeline.from_pretrained("some-one/tiny.model@v9")
    for outside in ("some-one/tiny.model@../../x", "../hub", "a/b/c"):
        with pytest.raises(llmdit.NotFound, match="expected a file or folder, or a hub id"):
            llmdit.ZImagePipeline.from_pretrained(outside)


def test_options_of_a_pipeline_are_no_options_of_a_part(folder):
    with pytest.raises(llmdit.InvalidArgument, match=r"vae_path.*pipeline"):
        llmdit.ZImageTransformer.from_pretrained(folder / "transformer", vae_path="x")
    with pytest.raises(llmdit.InvalidArgument, match=r"lora.*pipeline"):
        llmdit.ZImageTransformer.from_pretrained(folder / "transformer", lora=["x"])


def test_names_of_folders_may_be_of_any_script(folder, states, picture, tmp_path):
    """Field report W11."""
    path = save(forms.original_transformer(states["transformer"]), tmp_path / "модели/z картинка/модель.safetensors")
    assert_same(load_beside(folder, "transformer", path), picture)
