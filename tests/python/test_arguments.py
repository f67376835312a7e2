"""Arguments of a wrong type are told by name, in every function, and by nothing else."""

import inspect
import pickle
import re

import llmdit
import numpy as np
import pytest
import torch
from llmdit import vl

ROW = torch.zeros(2, 3)
CALLS = {
    "a number that is none": (
        lambda pipe: pipe.text_encoder.hidden_states([1, 2], 2.5),
        "ZImageTextEncoder.hidden_states(): layer takes int | str | Sequence[int], got 2.5 of type float",
    ),
    "an argument is missing": (
        lambda pipe: pipe.text_encoder.hidden_states([1, 2]),
        "ZImageTextEncoder.hidden_states(): missing a required argument: 'layer'",
    ),
    "too many": (lambda pipe: llmdit.clean_content("a", "b"), "clean_content(): too many positional arguments"),
    "a keyword with a slip": (
        lambda pipe: pipe.text_encoder.encode("a", hiden_layer=2),
        "TextEncoder.encode(): unexpected keyword argument 'hiden_layer'; did you mean 'hidden_layer'?",
    ),
    "an item of a list": (
        lambda pipe: pipe.text_encoder.encode(["a", 5]),
        "TextEncoder.encode(): texts takes str | Sequence[str], got ['a', 5] of type list",
    ),
    "weights in a list": (
        lambda pipe: pipe.encode_prompt("a", layer_weights=[1, 2]),
        "ZImagePipeline.encode_prompt(): layer_weights takes Mapping[int, float] | str | None, got [1, 2] of type list",
    ),
    "weights of a picture": (
        lambda pipe: pipe("a", layer_weights={"a": 1}),
        "layer_weights takes {layer: weight} or a string, got {'a': 1} of type dict",
    ),
    "rows that are none": (lambda pipe: vl.blend(ROW, 5), "blend(): text takes torch.Tensor, got 5 of type int"),
    "a tensor that is none": (
        lambda pipe: pipe.transformer(torch.zeros(1, 16, 4, 4), 0.5, "x"),
        "ZImageTransformer(): prompt_embeds takes llmdit.Conditioning | torch.Tensor | Sequence[torch.Tensor], got 'x' "
        "of type str",
    ),
    "a tensor for something else": (
        lambda pipe: pipe.tokenizer.encode(ROW),
        "Tokenizer.encode(): text takes str, got a tensor [2, 3] of type Tensor",
    ),
    "a constructor": (
        lambda pipe: llmdit.PromptRewriter(5),
        "PromptRewriter(): backend takes llmdit.ChatBackend | llmdit.ZImageTextEncoder, got 5 of type int",
    ),
    "a constructor without": (
        lambda pipe: llmdit.RemoteTextEncoder(),
        "RemoteTextEncoder(): missing a required argument: 'url'",
    ),
    "an attribute": (
        lambda pipe: setattr(llmdit.Message("user", "a"), "content", 5),
        "content(): it takes str, got 5 of type int",
    ),
    "a path": (lambda pipe: llmdit.read_image(5), "read_image(): path takes str | os.PathLike, got 5 of type int"),
    "another encoder": (
        lambda pipe: llmdit.ZImagePipeline.from_pretrained("x", text_encoder=5),
        "ZImagePipeline.from_pretrained(): text_encoder takes llmdit.TextEncoder, got 5 of type int",
    ),
    "a negative number": (
        lambda pipe: llmdit.make_noise([1, 2], seed=-1),
        "make_noise(): seed takes an integer of 64 bits that is not negative, got -1",
    ),
    "a field": (lambda pipe: llmdit.Template(name=5), "Template(): name takes str, got 5 of type int"),
    "a field with a slip": (
        lambda pipe: llmdit.Template(nam="x"),
        "Template(): unexpected keyword argument 'nam'; did you mean 'name'?",
    ),
    "a keyword beside those of loading": (
        lambda pipe: llmdit.ContextRefiner(dims=64),
        "ContextRefiner(): unexpected keyword argument 'dims'; did you mean 'dim'?",
    ),
    "a word of a keyword": (
        lambda pipe: pipe("a", steps=4),
        "unexpected keyword argument 'steps'; did you mean 'num_inference_steps'?",
    ),
    "a LoRA": (
        lambda pipe: pipe.load_lora(5),
        "path takes a path or a sequence of them, got 5 of type int",
    ),
    "its scale": (
        lambda pipe: pipe.load_lora("a.safetensors", scale="x"),
        "scale takes a number or a sequence of them, got 'x' of type str",
    ),
    "options in a dict": (
        lambda pipe: pipe("a", options={"width": 5}),
        "options takes a GenerateOptions, got {'width': 5} of type dict",
    ),
    "a class that is loaded": (
        lambda pipe: llmdit.Tokenizer(),
        "llmdit.Tokenizer is not made by hand; use Tokenizer.from_pretrained",
    ),
    "a class that comes back": (
        lambda pipe: llmdit.StepInfo(),
        "llmdit.StepInfo is not made by hand; calls give it back",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_arguments(name, pipe):
    call, message = CALLS[name]
    with pytest.raises(TypeError) as caught:
        call(pipe)
    assert str(caught.value) == message
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_pictures_that_are_not_there(pipe, tmp_path):
    result = pipe("a", num_inference_steps=1, width=32, height=32)
    for index in (1, -1):
        for use in (lambda i=index: result.save(tmp_path / "a.png", i), lambda i=index: result.parameters(i)):
            with pytest.raises(IndexError, match=f"expected a picture from 0 to 0, got {index}"):
                use()


def test_names_of_diffusers_are_told(pipe):
    with pytest.raises(AttributeError, match=r"attribute 'to'; here it is from_pretrained\(\.\.\., device=\.\.\.\)"):
        pipe.to("cuda")
    with pytest.raises(AttributeError, match="here it is load_lora$"):
        pipe.load_lora_weights("a.safetensors")
    with pytest.raises(AttributeError, match="attribute 'nonsense'$"):
        pipe.nonsense  # noqa: B018


def functions():
    """All that is public and callable, by name."""
    for module, before in ((llmdit, ""), (llmdit.vl, "vl.")):
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, type):
                members = [member for member in vars(thing) if not member.startswith("_")]
                named = {f"{before}{name}.{member}": getattr(thing, member) for member in members}
                yield from ((name, member) for name, member in named.items() if callable(member))
            if callable(thing):
                yield before + name, thing


def words(thing) -> str:
    """A docstring without its signature."""
    doc = thing.__doc__ or ""
    first, _, rest = doc.partition("\n")
    return (rest if re.match(r"\w+\(.*\) -> ", first) else doc).strip()


def test_everything_is_told_with_shapes():
    bare = [name for name, thing in functions() if not words(thing)]
    assert bare == []
    without_shape = [
        name
        for name, thing in functions()
        if "torch.Tensor" in (thing.__doc__ or "").partition("\n")[0] and "[" not in words(thing)
    ]
    assert without_shape == []


def test_signatures_are_those_of_python(pipe):
    """With names, defaults and kinds, for editors; without the words of the compiler."""
    signature = inspect.signature(pipe.text_encoder.hidden_states)
    assert list(signature.parameters) == ["input_ids", "layer"]
    assert {"prompt", "template", "system_prompt"} <= set(inspect.signature(llmdit.format_prompt).parameters)
    assert inspect.signature(llmdit.compress_embeddings).parameters["max_len"].default == llmdit.MAX_TEXT_SEQ_LEN
    for name, thing in functions():
        first = (thing.__doc__ or "").partition("\n")[0]
        assert not re.search(r"Supports|Annotated|collections\.abc|_llmdit|self: ", first), name


def test_functions_can_be_sent_to_workers():
    for function in (llmdit.format_prompt, vl.blend, llmdit.Template):
        assert pickle.loads(pickle.dumps(function)) is function


def test_arrays_are_taken_wherever_tensors_are():
    rows = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    rows[:, 2] *= 1000
    statistics = vl.ReferenceStatistics.compute(np.ones((4, 4), np.float32) + rows[:4] * [1, 1, 0, 1])
    assert [dimension for dimension, _ in vl.get_outlier_dimensions(rows, stats=statistics)] == [2]
