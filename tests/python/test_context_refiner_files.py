"""Parameters of the context refiner: their names, and how they are read, written and changed."""

import llmdit
import pytest
import tiny_models
import torch
from context_refiners import CHECK, MODELS, SMALL, load, reference_rows
from diffusers import ZImageTransformer2DModel
from parity import assert_close
from reference import draw
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.usefixtures("with_gradients")


def test_names_and_counts_are_the_reference_s(refiners, references):
    for model in MODELS:
        refiner, transformer = refiners(model), references(model).transformer
        want = {n: t for n, t in transformer.state_dict().items() if n.startswith("context_refiner.")}
        assert {name for name, _ in refiner.named_parameters()} == set(want) == set(refiner.state_dict())
        assert [name for name, _ in refiner.named_parameters()] == [
            name for name, _ in transformer.named_parameters() if name.startswith("context_refiner.")
        ]
        assert all(torch.equal(refiner.state_dict()[name], tensor) for name, tensor in want.items())
        assert refiner.get_num_params() == sum(tensor.numel() for tensor in want.values())
    parameters = refiner.parameters()
    assert all(p.is_leaf and p.requires_grad for p in parameters)
    assert all(a is b for a, b in zip(parameters, refiner.parameters()))
    parameters[0].requires_grad_(False)
    assert refiner.get_num_params(trainable_only=True) == refiner.get_num_params() - parameters[0].numel()


def test_saved_state_loads_back(tmp_path, references, folders):
    trained = load(folders("base"))
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    trained(draw(16, 5, 64)).square().sum().backward()
    optimizer.step()
    save_file(trained.state_dict(), tmp_path / "refiner.safetensors")
    x = draw(17, 9, 64)

    # The tiny model's axes are not the published split, which the tensors do not tell.
    bare = {"config_path": folders("base") / "transformer", "device": "cpu"}
    loaded = llmdit.ContextRefiner.from_pretrained(tmp_path / "refiner.safetensors", **bare)
    assert torch.equal(loaded(x), trained(x))

    other = load(folders("base"))
    other.load_state_dict(load_file(tmp_path / "refiner.safetensors"))
    assert torch.equal(other(x), trained(x))
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), trained.parameters()))

    transformer = tiny_models.make_transformer(tiny_models.MODELS["base"])
    unmatched = transformer.load_state_dict(load_file(tmp_path / "refiner.safetensors"), strict=False)
    assert not unmatched.unexpected_keys
    assert_close(CHECK, trained(x), reference_rows(transformer, x), where="trained, in the reference")


def test_sizes_are_told_by_a_bare_file(tmp_path):
    made = llmdit.ContextRefiner(dim=128, n_layers=3, n_heads=4, n_kv_heads=2, ffn_hidden=72, seed=9, device="cpu")
    save_file(made.state_dict(), tmp_path / "own.safetensors")
    loaded = llmdit.ContextRefiner.from_pretrained(tmp_path / "own.safetensors", device="cpu")
    for name in ("dim", "n_layers", "n_heads", "n_kv_heads", "ffn_hidden", "qk_norm", "axes_dims", "rope_theta"):
        assert getattr(loaded.config, name) == getattr(made.config, name), name
    x = draw(18, 9, 128)
    assert torch.equal(loaded(x), made(x))


def test_load_state_dict_is_strict():
    refiner = llmdit.ContextRefiner(seed=1, **SMALL)
    before = {name: tensor.clone() for name, tensor in refiner.state_dict().items()}
    first = "context_refiner.0.attention.to_q.weight"
    ones = {name: torch.ones_like(tensor) for name, tensor in before.items()}

    def changed(**edits):
        state = dict(ones)
        state.update(edits)
        return state

    missing = {name: tensor for name, tensor in ones.items() if name != first}
    cases = {
        "1 missing .*" + first: missing,
        "1 others .layers.0": changed(**{"layers.0.x": torch.ones(1)}),
        first + "' to be numbers .64, 64., got .* .64, 63.": changed(**{first: torch.ones(64, 63)}),
        first + "' to be numbers .64, 64., got Long": changed(**{first: torch.ones(64, 64, dtype=torch.int64)}),
    }
    for text, state in cases.items():
        with pytest.raises(llmdit.InvalidArgument, match=text):
            refiner.load_state_dict(state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in refiner.state_dict().items())
    optimizer_s = refiner.parameters()
    refiner.load_state_dict(ones)
    assert all((p == 1).all() for p in optimizer_s)


def test_fresh_weights_depend_on_the_seed_alone():
    def first(**options):
        return llmdit.ContextRefiner(**SMALL, **options).state_dict()["context_refiner.0.attention.to_q.weight"]

    assert torch.equal(first(seed=7), first(seed=7))
    assert not torch.equal(first(seed=7), first(seed=8))
    assert torch.equal(first(seed=7, dtype=torch.bfloat16), first(seed=7).bfloat16())
    assert first().abs().max() <= 1 / 8 and first().std() > 0.05
    norms = [p for name, p in llmdit.ContextRefiner(**SMALL).named_parameters() if "norm" in name]
    assert len(norms) == 12 and all((p == 1).all() for p in norms)


def test_types(folders):
    x = draw(19, 6, 64)
    full = load(folders("base"))
    for dtype in (torch.bfloat16, torch.float16):
        half = load(folders("base"), dtype=dtype)
        assert {p.dtype for p in half.parameters()} == {dtype}
        kept = load(folders("base", dtype))
        assert {p.dtype for p in kept.parameters()} == {dtype}
        want = load(folders("base"))
        want.load_state_dict(half.state_dict())
        assert half(x).dtype == torch.float32
        assert torch.equal(half(x), want(x))
        half(x).sum().backward()
        assert half.parameters()[0].grad.dtype == dtype
    wide = full(x.double())
    assert wide.dtype == torch.float32 and torch.equal(wide, full(x))
    strided = x.T.contiguous().T
    assert_close(CHECK, full(strided), full(x), where="strided")


def damaged(folder, edit):
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)
    return folder


def test_loading_is_strict(model_copy):
    gone = "context_refiner.1.attention.to_v.weight"
    folder = damaged(model_copy("base"), lambda tensors: tensors.pop(gone))
    with pytest.raises(llmdit.Unsupported, match=gone):
        load(folder)
    damaged(folder, lambda tensors: tensors.update({gone: torch.zeros(64, 60)}))
    with pytest.raises(llmdit.Unsupported, match=r"\[64, 64\].*\[64, 60\]"):
        load(folder)
    damaged(
        folder, lambda tensors: tensors.update({gone: torch.zeros(64, 64), gone.replace(".1.", ".2."): torch.ones(1)})
    )
    with pytest.raises(llmdit.Unsupported, match=r"2 blocks.*context_refiner\.2\.attention\.to_v\.weight"):
        load(folder)


def test_only_the_refiner_s_tensors_are_read(model_copy, tmp_path, folders):
    def keep(tensors):
        for name in [name for name in tensors if not name.startswith("context_refiner.")]:
            del tensors[name]

    x = draw(21, 4, 64)
    assert torch.equal(load(damaged(model_copy("base"), keep))(x), load(folders("base"))(x))

    path = tmp_path / "foreign.safetensors"
    save_file({"encoder.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(llmdit.Unsupported, match="context_refiner in .*foreign.safetensors, found none"):
        llmdit.ContextRefiner.from_pretrained(path, device="cpu")
    with pytest.raises(llmdit.NotFound):
        llmdit.ContextRefiner.from_pretrained(tmp_path / "none", device="cpu")


def test_transformer_without_refiner(folders):
    with pytest.raises(llmdit.Unsupported, match="no context refiner"):
        load(folders("plain"))


def test_heads_that_no_tensor_tells(tmp_path):
    made = llmdit.ContextRefiner(qk_norm=False, **SMALL)
    save_file(made.state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(llmdit.Unsupported, match="config_path: without norm_q"):
        llmdit.ContextRefiner.from_pretrained(tmp_path / "bare.safetensors", device="cpu")
    config = tmp_path / "config.json"
    ZImageTransformer2DModel(**{**tiny_models.MODELS["base"].transformer, "qk_norm": False}).save_config(
        tmp_path / "saved"
    )
    (tmp_path / "saved" / "config.json").rename(config)
    loaded = llmdit.ContextRefiner.from_pretrained(tmp_path / "bare.safetensors", device="cpu")
    x = draw(22, 4, 64)
    assert torch.equal(loaded(x), made(x))
