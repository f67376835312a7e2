"""Everything public says what it is, and what can fail says how."""

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import llmdit
import pytest
import torch
from llmdit import vl
from one_of_each import classes
from test_arguments import words

MODULES = [llmdit, vl]
ROW, IMAGE = torch.zeros(2, 3), llmdit.Image(torch.zeros(4, 4, 3, dtype=torch.uint8).numpy())

# What raises nothing but TypeError for an argument of another type.
NEVER_FAILS = """available_devices clean_content config_example find_config guidance_scale_at max_caption_len
parse_answer parse_lora render settings shift_sigma strip_quotes user_templates_path AutoencoderKL.scale
AutoencoderKL.unscale Config.overlay Config.to_dict ContextRefiner.enable_gradient_checkpointing
ContextRefiner.get_num_params ContextRefiner.named_parameters ContextRefiner.parameters ContextRefiner.state_dict
Conversation.render EmbeddingCache.clear EmbeddingCache.stats EncoderServer.stop GenerateOptions.fields
GenerateOptions.runtime_fields LoadOptions.fields Qwen3Formatter.format TemplateRegistry.get
TemplateRegistry.list_by_category TemplateRegistry.list_names TemplateRegistry.overlay TemplateRegistry.search
TiledVAEDecoder.scale TiledVAEDecoder.unscale Tokenizer.id_to_token Tokenizer.token_to_id ZImageTextEncoder.cache_stats
ZImageTextEncoder.clear_cache vl.VLEmbeddingExtractor.unload vl.statistics_prompts""".split()


def members(cls: type) -> Iterator[tuple[str, object]]:
    """What a class adds to its bases."""
    # Of the names of an enumeration and the fields of an exception their class tells.
    told_by_class = hasattr(cls, "__members__") or issubclass(cls, Exception)
    return ((name, thing) for name, thing in vars(cls).items() if not name.startswith("_") and not told_by_class)


def functions() -> Iterator[tuple[str, object]]:
    """Functions, methods and calls, by name."""
    for module, before in ((llmdit, ""), (vl, "vl.")):
        named = {before + name: getattr(module, name) for name in module.__all__}
        yield from ((name, thing) for name, thing in named.items() if inspect.isroutine(thing))
    for name, cls in classes().items():
        own = {member: getattr(cls, member) for member, _ in members(cls)}
        yield from ((f"{name}.{member}", thing) for member, thing in own.items() if callable(thing))
        if "__call__" in vars(cls):
            yield f"{name}.__call__", cls.__call__


def test_every_module_and_class_says_what_it_is():
    assert [module.__name__ for module in MODULES if not module.__doc__] == []
    assert [name for name, cls in classes().items() if not vars(cls).get("__doc__")] == []


def test_every_function_says_what_it_does():
    assert [name for name, function in functions() if len(words(function)) < 10] == []


def test_every_property_says_what_it_is():
    bare = []
    for name, cls in classes().items():
        for member, thing in members(cls):
            if not callable(getattr(cls, member, None)) and len(inspect.getdoc(thing) or "") < 6:
                bare.append(f"{name}.{member}")
    assert bare == []


def test_every_field_of_a_result_says_what_it_is():
    """Of a dataclass, whose fields have their text behind them."""
    tree = ast.parse((Path(llmdit.__file__).parent / "_generate_result.py").read_text(encoding="utf-8"))
    cls = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "GenerateResult")
    for node, following in zip(cls.body, cls.body[1:]):
        if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_"):
            text = following.value if isinstance(following, ast.Expr) else None
            assert isinstance(text, ast.Constant) and isinstance(text.value, str), node.target.id


def test_options_say_what_their_table_says():
    for options in (llmdit.GenerateOptions, llmdit.LoadOptions):
        for field in options.fields():
            told = getattr(options, field.name).__doc__
            assert told.startswith(field.help), field.name
            assert field.unit in told and (field.optional or "default" in told), field.name
    assert llmdit.GenerateOptions.num_inference_steps.__doc__.endswith("(1 to 10000); default 9")


def is_exception(name: str) -> bool:
    thing = getattr(llmdit, name, None) or getattr(builtins, name, None)
    return isinstance(thing, type) and issubclass(thing, BaseException)


def raised(doc: str | None) -> set[str]:
    """The exceptions that a docstring names behind "Raises"."""
    told = " ".join(re.findall(r"Raises\b([^.]*(?:\.\w[^.]*)*)", doc or ""))
    return {name for name in re.findall(r"\b[A-Z][A-Za-z]+\b", told) if is_exception(name)}


def test_what_can_fail_says_how():
    told = {name: raised(function.__doc__) for name, function in functions()}
    silent = {name for name, exceptions in told.items() if not exceptions and not name.endswith(".close")}
    assert silent == set(NEVER_FAILS)


# A call for each function whose errors are quickly had; `pipe` is the tiny pipeline, `path` names nothing.
CALLS = {
    "apply_guidance": lambda pipe, path: llmdit.apply_guidance(ROW, negative=ROW[:1], scale=1.0, normalization=0.0),
    "apply_steering": lambda pipe, path: llmdit.apply_steering(ROW, torch.zeros(5)),
    "attention_forward": lambda pipe, path: llmdit.attention_forward(ROW, ROW, ROW),
    "calculate_mu": lambda pipe, path: llmdit.calculate_mu(
        llmdit.SchedulerConfig(base_image_seq_len=5, max_image_seq_len=5), image_seq_len=5
    ),
    "check_compatibility": lambda pipe, path: llmdit.check_compatibility(path, path),
    "check_config": lambda pipe, path: llmdit.check_config(path),
    "compare_embeddings": lambda pipe, path: llmdit.compare_embeddings(ROW, ROW, reduction="none"),
    "compare_encoders": lambda pipe, path: llmdit.compare_encoders(
        pipe.text_encoder, pipe.text_encoder, "a", hidden_layer=99
    ),
    "compress_embeddings": lambda pipe, path: llmdit.compress_embeddings(ROW, 0),
    "convert_weights": lambda pipe, path: llmdit.convert_weights(path, path.with_suffix(".gguf")),
    "decode_image": lambda pipe, path: llmdit.decode_image(b"no picture"),
    "encode_image": lambda pipe, path: llmdit.encode_image(IMAGE, "png", quality=5),
    "encode_png": lambda pipe, path: llmdit.encode_png(IMAGE, text={"": "a"}),
    "estimate_quality_loss": lambda pipe, path: llmdit.estimate_quality_loss(5, 5, "none"),
    "euler_step": lambda pipe, path: llmdit.euler_step(ROW, velocity=ROW[:1], sigma=1.0, sigma_next=0.5),
    "format_prompt": lambda pipe, path: llmdit.format_prompt("a", template="nonsense"),
    "get_available_backends": lambda pipe, path: llmdit.get_available_backends("quantum"),
    "inspect": lambda pipe, path: llmdit.inspect(path),
    "layer_statistics": lambda pipe, path: llmdit.layer_statistics(ROW, 0.0),
    "load_config": lambda pipe, path: llmdit.load_config(path),
    "load_embeddings": lambda pipe, path: llmdit.load_embeddings(path),
    "load_operator_library": lambda pipe, path: llmdit.load_operator_library(path),
    "load_template": lambda pipe, path: llmdit.load_template(path),
    "make_conversation": lambda pipe, path: llmdit.make_conversation("a", template="nonsense"),
    "make_noise": lambda pipe, path: llmdit.make_noise([2, -1], seed=1),
    "plan": lambda pipe, path: llmdit.plan(path),
    "read_image": lambda pipe, path: llmdit.read_image(path),
    "read_image_info": lambda pipe, path: llmdit.read_image_info(path),
    "read_picture_settings": lambda pipe, path: llmdit.read_picture_settings(path),
    "resize_image": lambda pipe, path: llmdit.resize_image(IMAGE, 0, 5),
    "resolve_template": lambda pipe, path: llmdit.resolve_template(llmdit.ChatOptions(template="nonsense")),
    "sampling_probabilities": lambda pipe, path: llmdit.sampling_probabilities(torch.full((3,), torch.nan)),
    "save_embeddings": lambda pipe, path: llmdit.save_embeddings(path, []),
    "scale_noise": lambda pipe, path: llmdit.scale_noise(ROW, noise=torch.zeros(5), sigma=0.5),
    "setup_attention_backend": lambda pipe, path: llmdit.setup_attention_backend("sage"),
    "steering_vector": lambda pipe, path: llmdit.steering_vector([], ROW),
    "storage_support": lambda pipe, path: llmdit.storage_support("quantum"),
    "write_image": lambda pipe, path: llmdit.write_image(path.with_suffix(".gif"), IMAGE),
    "write_png": lambda pipe, path: llmdit.write_png(path / "a.png", IMAGE),
    "vl.blend": lambda pipe, path: vl.blend(ROW, ROW, mode="none"),
    "vl.blend_adain": lambda pipe, path: vl.blend_adain(ROW, ROW, 2.0),
    "vl.blend_adain_per_dim": lambda pipe, path: vl.blend_adain_per_dim(ROW[:1], ROW),
    "vl.blend_attention_weighted": lambda pipe, path: vl.blend_attention_weighted(ROW, ROW, 0.5, [1.0]),
    "vl.blend_embeddings": lambda pipe, path: vl.blend_embeddings(ROW, ROW[:1], 0.5, match_lengths=False),
    "vl.blend_interpolate": lambda pipe, path: vl.blend_interpolate(ROW, torch.zeros(2, 5), 0.5),
    "vl.blend_per_token": lambda pipe, path: vl.blend_per_token(ROW, ROW, [0.5]),
    "vl.blend_style_only": lambda pipe, path: vl.blend_style_only(ROW, ROW, dims=[7]),
    "vl.blend_with_style_delta": lambda pipe, path: vl.blend_with_style_delta(ROW, ROW, torch.inf),
    "vl.compute_blend_stats": lambda pipe, path: vl.compute_blend_stats(ROW, torch.zeros(5)),
    "vl.compute_style_delta": lambda pipe, path: vl.compute_style_delta(ROW, torch.full((2, 3), torch.nan)),
    "vl.create_graduated_alpha": lambda pipe, path: vl.create_graduated_alpha(0),
    "vl.get_outlier_dimensions": lambda pipe, path: vl.get_outlier_dimensions(ROW),
    "vl.mask_outlier_dimensions": lambda pipe, path: vl.mask_outlier_dimensions(ROW),
    "vl.normalize_hybrid": lambda pipe, path: vl.normalize_hybrid(ROW),
    "vl.normalize_per_dimension": lambda pipe, path: vl.normalize_per_dimension(ROW),
    "vl.preprocess": lambda pipe, path: vl.preprocess(IMAGE, patch_size=0),
    "vl.scale_embeddings": lambda pipe, path: vl.scale_embeddings(ROW, 0.0),
    "vl.smart_resize": lambda pipe, path: vl.smart_resize(0, 5),
    "AutoencoderKL.decode": lambda pipe, path: pipe.vae.decode(ROW),
    "AutoencoderKL.encode": lambda pipe, path: pipe.vae.encode(torch.zeros(1, 3, 5, 5)),
    "AutoencoderKL.from_pretrained": lambda pipe, path: llmdit.AutoencoderKL.from_pretrained(path),
    "AutoencoderKL.is_tiled": lambda pipe, path: pipe.vae.is_tiled(0, 5),
    "AutoencoderKL.preview": lambda pipe, path: pipe.vae.preview(ROW),
    "Config.from_dict": lambda pipe, path: llmdit.Config.from_dict({"widht": 5}),
    "Config.from_toml": lambda pipe, path: llmdit.Config.from_toml(path),
    "Config.parse": lambda pipe, path: llmdit.Config.parse("", "nonsense"),
    "ContextRefiner.from_pretrained": lambda pipe, path: llmdit.ContextRefiner.from_pretrained(path),
    "EmbeddingCache.get": lambda pipe, path: llmdit.EmbeddingCache().get("no key"),
    "EmbeddingCache.put": lambda pipe, path: llmdit.EmbeddingCache().put("..", pipe.encode_prompt("a")),
    "FlowMatchScheduler.from_pretrained": lambda pipe, path: llmdit.FlowMatchScheduler.from_pretrained(path),
    "FlowMatchScheduler.make_sigmas": lambda pipe, path: pipe.scheduler.make_sigmas(0),
    "Qwen3Formatter.format_prompt": lambda pipe, path: llmdit.Qwen3Formatter().format_prompt("a", template="nonsense"),
    "TemplateRegistry.add": lambda pipe, path: llmdit.TemplateRegistry().add(llmdit.Template()),
    "TemplateRegistry.load_directory": lambda pipe, path: llmdit.TemplateRegistry().load_directory(path),
    "TemplateRegistry.load_file": lambda pipe, path: llmdit.TemplateRegistry().load_file(path),
    "TextEncoder.encode": lambda pipe, path: pipe.text_encoder.encode("a", hidden_layer=99),
    "TiledVAEDecoder.decode": lambda pipe, path: llmdit.TiledVAEDecoder(pipe.vae).decode(ROW),
    "TiledVAEDecoder.encode": lambda pipe, path: llmdit.TiledVAEDecoder(pipe.vae).encode(ROW),
    "Tokenizer.decode": lambda pipe, path: pipe.tokenizer.decode([-1]),
    "Tokenizer.from_pretrained": lambda pipe, path: llmdit.Tokenizer.from_pretrained(path),
    "ZImagePipeline.__call__": lambda pipe, path: pipe("a", width=5),
    "ZImagePipeline.encode_prompt": lambda pipe, path: pipe.encode_prompt("a", hidden_layer=99),
    "ZImagePipeline.from_pretrained": lambda pipe, path: llmdit.ZImagePipeline.from_pretrained(path),
    "ZImagePipeline.img2img": lambda pipe, path: pipe.img2img("a"),
    "ZImagePipeline.inpaint": lambda pipe, path: pipe.inpaint("a", IMAGE),
    "ZImagePipeline.load_lora": lambda pipe, path: pipe.load_lora(path),
    "ZImageTextEncoder.encode_blended": lambda pipe, path: pipe.text_encoder.encode_blended("a", {99: 1.0}),
    "ZImageTextEncoder.from_pretrained": lambda pipe, path: llmdit.ZImageTextEncoder.from_pretrained(path),
    "ZImageTextEncoder.generate": lambda pipe, path: pipe.text_encoder.generate("a", max_new_tokens=10**6),
    "ZImageTextEncoder.hidden_states": lambda pipe, path: pipe.text_encoder.hidden_states([10**6], 0),
    "ZImageTransformer.__call__": lambda pipe, path: pipe.transformer(ROW, 0.5, [ROW]),
    "ZImageTransformer.condition": lambda pipe, path: pipe.transformer.condition([ROW]),
    "ZImageTransformer.from_pretrained": lambda pipe, path: llmdit.ZImageTransformer.from_pretrained(path),
    "vl.ReferenceStatistics.check": lambda pipe, path: vl.ReferenceStatistics().check(),
    "vl.ReferenceStatistics.compute": lambda pipe, path: vl.ReferenceStatistics.compute(ROW[:1]),
    "vl.ReferenceStatistics.load": lambda pipe, path: vl.ReferenceStatistics.load(path.with_suffix(".json")),
    "vl.ReferenceStatistics.save": lambda pipe, path: vl.ReferenceStatistics.compute(ROW).save(path),
    "vl.VLEmbeddingExtractor.from_pretrained": lambda pipe, path: vl.VLEmbeddingExtractor.from_pretrained(path),
    "vl.VLImageOptions.from_pretrained": lambda pipe, path: vl.VLImageOptions.from_pretrained(path),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_raised_is_what_is_told(name, pipe, tmp_path):
    function = dict(functions())[name]
    with pytest.raises(Exception) as caught:
        CALLS[name](pipe, tmp_path / "nothing")
    assert type(caught.value).__name__ in raised(function.__doc__), repr(caught.value)
