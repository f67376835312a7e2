"""What the package promises: names, signatures, help and reprs, and a stub that tells the truth."""

import ast
import inspect
from pathlib import Path

import llmdit
import llmdit.vl
import pytest
import torch
from llmdit import GenerateOptions, LoadOptions

PACKAGE = Path(llmdit.__file__).parent
MODULES = [llmdit, llmdit.vl]
of_each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)


def stub_tree(module=llmdit) -> ast.Module:
    return ast.parse(Path(module.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))


def stub(module=llmdit) -> dict[str, ast.stmt]:
    tree = stub_tree(module)
    return {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}


def parameters(node: ast.FunctionDef) -> list[str]:
    arguments = node.args
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def members(node: ast.ClassDef) -> set[str]:
    names = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    return names | {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}


@of_each_module
def test_every_public_name_is_there_and_in_the_stub(module):
    declared = set(stub(module)) | {
        node.target.id for node in stub_tree(module).body if isinstance(node, ast.AnnAssign)
    }
    assert set(module.__all__) == declared - {"__all__"}
    assert all(hasattr(module, name) for name in module.__all__)
    assert (PACKAGE / "py.typed").exists()


@of_each_module
def test_classes_have_the_members_the_stub_tells(module):
    inherited = set(dir(object)) | {"__module__", "__dict__", "__weakref__", "__init__", "__slots__", "__annotations__"}
    for name, node in stub(module).items():
        if not isinstance(node, ast.ClassDef) or name in (
            "Role",
            "OptionKind",
            "FileKind",
            "ImageFormat",
            "LongPromptMode",
            "TimeShiftType",
        ):
            continue
        cls = getattr(module, name)
        told = members(node)
        fields = set(getattr(cls, "__dataclass_fields__", {}))
        public = {member for member in {*vars(cls), *fields} if not member.startswith("_")} - inherited
        if issubclass(cls, llmdit.Error):
            public.discard("code")  # told once, at the base
            told = told - {"code"}
        assert public == {member for member in told if not member.startswith("_")}, name


def documented(function) -> list[str] | None:
    """Parameter names in the first line of a compiled function's docstring."""
    line = (function.__doc__ or "").split("\n")[0]
    if "(" not in line or line.startswith("("):
        return None
    depth, names, part = 0, [], ""
    for character in line[line.index("(") + 1 : line.rindex(") ->")] + ",":
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            names.append(part.split(":")[0].split("=")[0].strip())
            part = ""
        else:
            part += character
    return [name for name in names if name not in ("self", "*", "/", "")]


@of_each_module
def test_functions_have_the_parameters_the_stub_tells(module):
    checked = 0
    for name, node in stub(module).items():
        owner = getattr(module, name)
        functions = [(owner, node)]
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef) and hasattr(owner, item.name)]
            functions = [(getattr(owner, item.name), item) for item in methods]
        for function, declaration in functions:
            names = documented(function) if not isinstance(function, property) else None
            if names is None:
                continue
            told = [parameter for parameter in parameters(declaration) if parameter not in ("self", "cls")]
            if "**kwargs" in names:
                assert told[: len(names) - 1] == names[:-1], (name, declaration.name)
            else:
                assert told == names, (name, declaration.name)
            checked += 1
    assert checked > (30 if module is llmdit else 15)


def test_stub_of_the_pipeline_has_the_table_s_options():
    classes = stub()
    for method, options in (("__call__", GenerateOptions), ("from_pretrained", LoadOptions)):
        node = next(
            item for item in classes["ZImagePipeline"].body if isinstance(item, ast.FunctionDef) and item.name == method
        )
        function = getattr(llmdit.ZImagePipeline, method)
        runtime = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
        assert parameters(node)[1:] == runtime, method
        assert {field.name for field in options.fields()} <= set(runtime)
    for name, options in (("GenerateOptions", GenerateOptions), ("LoadOptions", LoadOptions)):
        node = next(
            item for item in classes[name].body if isinstance(item, ast.FunctionDef) and item.name == "__init__"
        )
        names = [field.name for field in options.fields()] + sorted(getattr(options, "runtime_fields", dict)())
        assert parameters(node)[1:] == names


def test_signature_shows_the_struct_s_defaults():
    signature = inspect.signature(llmdit.ZImagePipeline.__call__)
    defaults = GenerateOptions()
    for field in GenerateOptions.fields():
        parameter = signature.parameters[field.name]
        assert parameter.kind is parameter.KEYWORD_ONLY
        if field.name != "output_type":
            assert (parameter.default or None) == (getattr(defaults, field.name) or None), field.name
    assert signature.parameters["num_inference_steps"].default == defaults.num_inference_steps
    assert signature.parameters["on_step"].default is None


def test_help_is_readable():
    text = inspect.getdoc(llmdit.ZImagePipeline.__call__)
    for field in GenerateOptions.fields():
        if field.name != "output_type":
            assert f"{field.name}: {field.help}" in text
    assert "on_step: called with a StepInfo" in text
    assert "dtype: " in inspect.getdoc(llmdit.ZImagePipeline.from_pretrained)
    for module in MODULES:
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                assert inspect.getdoc(thing), name
                assert "_llmdit" not in (inspect.getdoc(thing) or ""), name


def test_options_know_their_table():
    options = GenerateOptions(width=64, seed=2**64 - 1, sigmas=(1, 0.5))
    assert (options.width, options.seed, options.sigmas) == (64, 2**64 - 1, [1.0, 0.5])
    assert options.height is None and options.negative_prompt == ""
    options.width = None
    assert options.width is None
    options.num_inference_steps = 3
    options.num_inference_steps = None
    assert options.num_inference_steps == GenerateOptions().num_inference_steps
    with pytest.raises(llmdit.InvalidArgument, match="num_inference_steps"):
        options.num_inference_steps = 0
    with pytest.raises(AttributeError):
        options.widht = 5
    assert repr(GenerateOptions(seed=3, latents=torch.zeros(1, 16, 4, 4))) == (
        "GenerateOptions(seed=3, latents=<torch.float32 [1, 16, 4, 4]>)"
    )
    assert repr(LoadOptions(dtype=torch.bfloat16)) == "LoadOptions(dtype='bfloat16')"
    width = GenerateOptions.fields()[0]
    assert width.name == "width" and width.optional and width.kind is llmdit.OptionKind.integer
    assert "width" in repr(width)


def every_option() -> dict:
    """A value that is not the default, for each field of the table."""
    other = {
        llmdit.OptionKind.boolean: lambda field: not getattr(GenerateOptions(), field.name),
        llmdit.OptionKind.integer: lambda field: int(field.minimum) + 32,
        llmdit.OptionKind.unsigned_integer: lambda field: 77,
        llmdit.OptionKind.number: lambda field: 0.75,
        llmdit.OptionKind.text: lambda field: "other",
        llmdit.OptionKind.choice: lambda field: field.choices[-1],
        llmdit.OptionKind.numbers: lambda field: [1.0, 0.5],
    }
    special = {"layer_weights": "-3:0.5,-2:1", "layer_spans": ["1:3=-1:1"]}  # texts of a form of their own
    return {field.name: special.get(field.name) or other[field.kind](field) for field in GenerateOptions.fields()}


def test_each_option_arrives():
    for name, value in every_option().items():
        assert getattr(GenerateOptions(**{name: value}), name) == value != getattr(GenerateOptions(), name)


def test_classes_and_reprs_name_the_package(pipe):
    for name in llmdit.__all__:
        thing = getattr(llmdit, name)
        if isinstance(thing, type):
            assert thing.__module__.split(".")[0] == "llmdit" and "_llmdit" not in thing.__module__, name
    for name in llmdit.vl.__all__:
        thing = getattr(llmdit.vl, name)
        assert not isinstance(thing, type) or thing.__module__.startswith("llmdit.vl"), name
    text = repr(pipe)
    for part in (
        "ZImagePipeline from",
        "ZImageTextEncoder",
        "ZImageTransformer",
        "AutoencoderKL",
        "FlowMatchScheduler",
    ):
        assert part in text
    assert "[4, 6, 6]" in repr(pipe.transformer.config)


def test_versions():
    assert llmdit.__version__.count(".") == 2
    assert llmdit.torch_version.split("+")[0] == torch.__version__.split("+")[0]


def test_devices():
    cpu = llmdit.available_devices()[0]
    assert cpu.name == "cpu" and cpu.memory_bytes > 0 and "cpu" in repr(cpu)


def test_inspect_tells_what_a_path_is(folders):
    folder = llmdit.inspect(folders("base"))
    assert folder.kind is llmdit.FileKind.model_folder and folder.model == "ZImagePipeline"
    weights = llmdit.inspect(folders("base") / "vae/diffusion_pytorch_model.safetensors")
    assert weights.kind is llmdit.FileKind.weights
    tensor = next(item for item in weights.tensors if item.name == "decoder.conv_in.weight")
    assert tensor.dtype == "F32" and tensor.shape == [32, 16, 3, 3]
    assert len(repr(weights)) < 5000


def test_parts_of_the_pipeline(pipe, folders):
    assert pipe.path == folders("base") and pipe.size_multiple == 16
    ids = pipe.tokenizer.encode("a cat")
    assert pipe.tokenizer.decode(ids) == "a cat" and pipe.tokenizer.vocab_size == len(pipe.tokenizer) == 750
    assert b"".join(pipe.tokenizer.id_to_token(token) for token in ids) == b"a cat"
    assert pipe.tokenizer.token_to_id("<|im_start|>") == 725 and pipe.tokenizer.token_to_id("nope") is None
    assert pipe.tokenizer.encode("ä".encode()) == pipe.tokenizer.encode("ä")
    assert "750 tokens" in repr(pipe.tokenizer)
