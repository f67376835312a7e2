"""An instance of every public class, by its name as in docs/reference_pages.py: those of llmdit.vl begin with "vl."."""

import enum
import json
from collections.abc import Callable
from pathlib import Path

import llmdit
import numpy as np
import torch
from llmdit import vl
from lora_files import Q, peft, save
from test_compatibility import QWEN3_4B

# Only their subclasses are made.
ABSTRACT = {"ChatBackend", "TextEncoder"}


def classes() -> dict[str, type]:
    """Every public class under its first name; TransformersBackend is ZImageTextEncoder."""
    named = {name: getattr(llmdit, name) for name in llmdit.__all__}
    named |= {f"vl.{name}": getattr(vl, name) for name in vl.__all__}
    found = {name: thing for name, thing in named.items() if isinstance(thing, type)}
    return {name: cls for name, cls in found.items() if cls.__name__ == name.removeprefix("vl.")}


def one_of_each(
    pipe: llmdit.ZImagePipeline, extractor: vl.VLEmbeddingExtractor, folders: Callable[..., Path], folder: Path
) -> dict[str, object]:
    """`folder` is empty and takes files. Ends with the server stopped."""
    made = [*_pictures(pipe, folder), *_texts(pipe, extractor), *_files(folders, folder), *_settings(folder)]
    made += [*_encoders(pipe), *_parts(pipe, extractor), *_mixes(), *_lora(pipe, folder)]
    found = {type(thing): thing for thing in made}
    for cls in classes().values():
        if issubclass(cls, llmdit.Error):
            found[cls] = cls("[operation] expected this, got that")
        elif issubclass(cls, enum.Enum):
            found[cls] = list(cls)[0]
    return {name: found[cls] for name, cls in classes().items() if name not in ABSTRACT}


def _pictures(pipe: llmdit.ZImagePipeline, folder: Path) -> list[object]:
    steps: list[llmdit.StepInfo] = []
    result = pipe("a cat", num_inference_steps=2, width=32, height=32, seed=1, on_step=steps.append)
    result.save(folder / "cat.png")
    image = llmdit.read_image(folder / "cat.png")
    read = [llmdit.read_image_info(folder / "cat.png"), llmdit.read_picture_settings(folder / "cat.png")]
    return [pipe, result, result.timings, *steps, image, *read]


def _texts(pipe: llmdit.ZImagePipeline, extractor: vl.VLEmbeddingExtractor) -> list[object]:
    tokens: list[llmdit.TokenInfo] = []
    encoder, backend = pipe.text_encoder, llmdit.LocalChatBackend(pipe.text_encoder)
    written = encoder.generate(llmdit.format_prompt("a cat"), max_new_tokens=2, seed=1, on_token=tokens.append)
    remote = llmdit.RemoteChatBackend("http://localhost:1", "a-model")
    conversation = llmdit.make_conversation("a cat", system_prompt="Draw.")
    template = llmdit.Template(name="own", system_prompt="Draw.", metadata={"key": "value"})
    registry = llmdit.TemplateRegistry()
    registry.add(template)
    values = [
        llmdit.ChatOptions(system_prompt="Draw."),
        llmdit.parse_answer("<think>a</think>b"),
        llmdit.Qwen3Formatter(),
    ]
    rewriting = [backend, remote, vl.VLChatBackend(extractor), llmdit.PromptRewriter(backend)]
    answer = backend.ask("a cat", max_new_tokens=2, seed=1, enable_thinking=False)
    return [written, *tokens, conversation, *conversation.messages, template, registry, *values, *rewriting, answer]


def _files(folders: Callable[..., Path], folder: Path) -> list[object]:
    model = llmdit.inspect(folders("base"))
    weights = llmdit.inspect(folders("base") / "vae/diffusion_pytorch_model.safetensors")
    report = llmdit.convert_weights(folders("base") / "vae", folder / "vae.safetensors")
    plan = llmdit.plan(folders("base"))
    devices = [llmdit.available_devices()[0], llmdit.storage_support()[0]]
    return [model, *weights.tensors, *weights.loads, weights, report, plan, *plan.components, *plan.stages, *devices]


def _settings(folder: Path) -> list[object]:
    (folder / "config.toml").write_text("[default]\nwidht = 5\n")
    report = llmdit.check_config(folder / "config.toml")
    config = llmdit.Config.from_dict({"generation": {"width": 64}})
    runtime = llmdit.RuntimeConfig(config, environment=False)
    fields = [llmdit.settings()[0], llmdit.GenerateOptions.fields()[0]]
    options = [llmdit.GenerateOptions(seed=1), llmdit.LoadOptions(dtype="float32")]
    return [report, *report.errors, config, *config.entries, runtime, *fields, *options]


def _encoders(pipe: llmdit.ZImagePipeline) -> list[object]:
    encoder, cache = pipe.text_encoder, llmdit.EmbeddingCache(3)
    output = encoder.encode(["a cat", "a dog"])
    cache.put("key", output)
    statistics = llmdit.layer_statistics(output.embeddings[0], 1.001)
    assert statistics.outliers
    both = llmdit.compare_embeddings(*output.embeddings)
    distant = llmdit.RemoteTextEncoder("http://localhost:1", api="heylook")
    cached = llmdit.CachedTextEncoder(encoder, cache)
    difference = llmdit.compare_encoders(encoder, encoder, "a cat")
    with llmdit.EncoderServer(encoder, port=0) as server:
        pass
    values = [cache.stats(), output, statistics, *statistics.outliers, both, difference]
    return [encoder, cache, distant, cached, server, *values]


def _parts(pipe: llmdit.ZImagePipeline, extractor: vl.VLEmbeddingExtractor) -> list[object]:
    transformer, vae = pipe.transformer, pipe.vae
    conditioning = transformer.condition([torch.zeros(3, transformer.config.cap_feat_dim)])
    refiner = llmdit.ContextRefiner(dim=64, n_layers=1, n_heads=4, axes_dims=[4, 6, 6])
    latents = vae.encode(torch.zeros(1, 3, 32, 32))
    extraction = extractor.extract(np.zeros((64, 64, 3), np.uint8), "a wall")
    vision = [extractor, extractor.config, extractor.config.vision, extractor.image_options, extraction]
    configs = [transformer.config, refiner.config, vae.config, pipe.text_encoder.config, pipe.scheduler.config]
    parts = [pipe.tokenizer, transformer, refiner, vae, llmdit.TiledVAEDecoder(vae), pipe.scheduler]
    return [*parts, *configs, conditioning, latents, *vision, llmdit.GuidanceOptions(scale=2.0)]


def _mixes() -> list[object]:
    one, other = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
    statistics = vl.ReferenceStatistics.compute([one, other])
    stats = vl.compute_blend_stats(one, other)
    info = vl.mask_outlier_dimensions(one, stats=statistics)[1]
    return [statistics, stats, stats.vl, info, vl.blend(one, other, 0.5)]


def _lora(pipe: llmdit.ZImagePipeline, folder: Path) -> list[object]:
    rows, columns = pipe.transformer.state_dict()[Q + ".weight"].shape
    lora = {Q: (torch.ones(rows, 2), torch.ones(2, columns)), "layers.99.nothing": (torch.ones(4, 2), torch.ones(2, 4))}
    save(peft(lora), folder / "lora.safetensors")
    report = pipe.load_lora(folder / "lora.safetensors")
    loaded = pipe.loras
    pipe.unload_loras()
    (folder / "config.json").write_text(json.dumps({**QWEN3_4B, "rope_theta": 5000000}))
    compatibility = llmdit.check_compatibility(folder / "config.json")
    return [*loaded, report, *report.unused, compatibility, *compatibility.config_diff.values()]
