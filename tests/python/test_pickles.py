"""Options, results and reports survive copying and pickling; what holds weights says how it goes."""

import copy
import enum
import math
import pickle

import llmdit
import numpy as np
import pytest
import torch
from llmdit import vl
from one_of_each import ABSTRACT, classes

QUICK = {"num_inference_steps": 2, "width": 32, "height": 32}


def same(one: object, other: object) -> bool:
    """Equality of values that may hold tensors."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return one == other or repr(one) == repr(other)


def fields(value: object) -> dict[str, object]:
    names = [name for name in dir(type(value)) if not name.startswith("_")]
    return {name: getattr(value, name) for name in names if not callable(getattr(value, name))}


def assert_survives(value: object) -> None:
    for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert type(other) is type(value) and repr(other) == repr(value)
        if not isinstance(value, enum.Enum):
            for name, content in fields(value).items():
                assert same(content, getattr(other, name)), (type(value).__name__, name)


def test_options(pipe):
    tensor = torch.randn(1, 16, 4, 4)
    options = llmdit.GenerateOptions(
        seed=2**64 - 1,
        sigmas=[1.0, 0.5],
        layer_weights={-2: 0.7, -3: 0.3},
        latents=tensor,
        prompt_embeds=[torch.ones(3, 48)],
        image=np.zeros((32, 32, 3), np.uint8),
        force_think_block=False,
        prompt_template=llmdit.Template(name="own", system_prompt="Draw."),
    )
    assert_survives(options)
    assert_survives(llmdit.GenerateOptions())
    assert copy.copy(options).latents.data_ptr() == tensor.data_ptr()
    assert copy.deepcopy(options).latents.data_ptr() != tensor.data_ptr()
    assert_survives(llmdit.LoadOptions(dtype="bfloat16", lora=["a.safetensors:0.5"]))
    assert_survives(llmdit.ChatOptions(system_prompt="Draw.", force_think_block=True))
    assert_survives(llmdit.SchedulerConfig(shift=2.5, time_shift_type=llmdit.TimeShiftType.linear))
    assert_survives(llmdit.FlowMatchScheduler(shift=2.5))
    assert_survives(llmdit.GuidanceOptions(scale=2.0))
    assert_survives(llmdit.Lora(path="a.safetensors", scale=0.5))
    assert_survives(vl.VLImageOptions())


def test_generators_keep_their_state():
    options = llmdit.GenerateOptions(generator=torch.Generator().manual_seed(5))
    torch.randn(3, generator=options.generator)
    other = pickle.loads(pickle.dumps(options))
    assert torch.equal(torch.randn(4, generator=options.generator), torch.randn(4, generator=other.generator))


def test_a_callback_is_pickled_where_python_can():
    assert pickle.loads(pickle.dumps(llmdit.GenerateOptions(on_step=print))).on_step is print
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(llmdit.GenerateOptions(on_step=lambda info: None))


def test_settings():
    config = llmdit.Config.from_dict({"generation": {"width": 64, "seed": 7}, "lora": {"paths": ["a", "b"]}})
    assert_survives(config)
    assert [entry.origin for entry in pickle.loads(pickle.dumps(config)).entries] == [
        entry.origin for entry in config.entries
    ]
    assert_survives(config.entries[0])
    settings = llmdit.RuntimeConfig(config, environment=False, height=96)
    other = pickle.loads(pickle.dumps(settings))
    assert (other.width, other.height, other.seed) == (64, 96, 7) and other.origins == settings.origins


@pytest.mark.parametrize("output_type", ["pil", "np", "pt", "latent"])
def test_results(pipe, output_type):
    result = pipe("a cat", seed=1, output_type=output_type, on_step=lambda info: None, **QUICK)
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert repr(other) == repr(result) and other.seeds == [1] and torch.equal(other.latents, result.latents)
        assert same(other.timings.steps, result.timings.steps)
        if output_type != "latent":
            assert other.parameters() == result.parameters()
        if output_type in ("np", "pt"):
            assert np.array_equal(other.images, result.images)


def test_reports_and_values(pipe, folders, tmp_path):
    picture = llmdit.Image(np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    for other in (pickle.loads(pickle.dumps(picture)), copy.deepcopy(picture)):
        assert other == picture and np.array_equal(np.asarray(other), np.asarray(picture))
    output = pipe.encode_prompt(["a cat", "a dog"])
    assert_survives(output)
    assert_survives(llmdit.inspect(folders("base")))
    assert_survives(llmdit.layer_statistics(output.embeddings[0], 1.5))
    assert_survives(llmdit.compare_embeddings(*output.embeddings))
    assert_survives(vl.ReferenceStatistics.compute(output.embeddings))
    assert_survives(vl.blend(vl=output.embeddings[0], text=output.embeddings[1], alpha=0.5))
    assert_survives(pipe.transformer.config)
    assert_survives(pipe.vae.config)
    assert_survives(pipe.text_encoder.config)
    assert_survives(pipe.text_encoder.cache_stats())
    assert_survives(pipe.transformer.condition(output.embeddings))
    assert_survives(llmdit.make_conversation("a cat", system_prompt="Draw."))
    assert_survives(llmdit.available_devices()[0])


def test_texts(pipe):
    written = pipe.text_encoder.generate(llmdit.format_prompt("a cat"), max_new_tokens=3, seed=1)
    assert_survives(written)
    assert pickle.loads(pickle.dumps(written)).finish_reason == written.finish_reason == "length"


# What holds weights, threads or the way to a server.
NOT_PICKLED = """AutoencoderKL CachedTextEncoder ContextRefiner EmbeddingCache EncoderServer LocalChatBackend
PromptRewriter RemoteChatBackend RemoteTextEncoder TiledVAEDecoder Tokenizer ZImagePipeline ZImageTextEncoder
ZImageTransformer vl.VLChatBackend vl.VLEmbeddingExtractor""".split()


@pytest.mark.parametrize("name", [name for name in classes() if name not in {*NOT_PICKLED, *ABSTRACT}])
def test_every_value_is_pickled(name, instances):
    value = instances[name]
    if isinstance(value, Exception):
        other = pickle.loads(pickle.dumps(value))
        assert type(other) is type(value) and other.args == value.args and other.code == value.code
    elif name == "GenerateResult":
        assert repr(pickle.loads(pickle.dumps(value))) == repr(copy.deepcopy(value)) == repr(value)
    else:
        assert_survives(value)


@pytest.mark.parametrize("name", NOT_PICKLED)
def test_what_holds_resources_says_what_to_do(name, instances):
    for use in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=rf"^llmdit\.{name} is not copied or pickled; .{{20}}"):
            use(instances[name])


def test_every_option_and_setting_is_pickled():
    for options in (llmdit.GenerateOptions, llmdit.LoadOptions):
        for field in options.fields():
            assert_survives(field)
    for setting in llmdit.settings():
        assert pickle.loads(pickle.dumps(setting)).key == copy.copy(setting).key == setting.key
    for kind, state in ((llmdit.Setting, ("no.such",)), (llmdit.OptionField, ("no", "such"))):
        with pytest.raises(ValueError, match="this version has no"):
            kind.__new__(kind).__setstate__(state)


def test_templates_are_pickled():
    registry = llmdit.TemplateRegistry.standard()
    for other in (pickle.loads(pickle.dumps(registry)), copy.copy(registry), copy.deepcopy(registry)):
        assert [other[name] for name in other] == [registry[name] for name in registry]
        other.add(llmdit.Template(name="one-more"))
    assert "one-more" not in registry


def test_a_status_of_a_server_is_pickled():
    error = llmdit.RemoteError("[encoder] it is busy")
    error.status = 503
    assert pickle.loads(pickle.dumps(error)).status == 503
