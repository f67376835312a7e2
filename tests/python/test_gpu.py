"""The same on a GPU as on the CPU: every stage, every way weights are kept. `make gpu` runs it where there is one."""

import threading

import llmdit
import pytest
import torch
from command import DEMO_MODEL
from command import llmdit as run
from llmdit import vl
from parity import record, relative_error
from PIL import Image
from start_pictures import box_mask, picture
from test_attention import CALLS, distance, naive, numbers
from test_gguf import BLOCKS, quantised, values, write

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)

PROMPT = "a red circle left of a blue star on a yellow background"
SMALL = {"num_inference_steps": 3, "seed": 3, "width": 64, "height": 48, "output_type": "pt"}
# Sums in another order; and, for 16 bits, what a step of bf16 leaves of 8 bits of mantissa.
FLOAT32, BFLOAT16 = 1e-4, 0.05


@pytest.fixture(autouse=True, scope="module")
def _exact_products():
    """Not in tf32, which is libtorch's default for convolutions."""
    torch.cuda.init()  # before, Python's torch tells no memory in use
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = allowed


def load(device="cuda", path=DEMO_MODEL, **options):
    return llmdit.ZImagePipeline.from_pretrained(path, device=device, **options)


@pytest.fixture(scope="module")
def on_cpu():
    return load("cpu", dtype="float32")


@pytest.fixture(scope="module")
def on_gpu():
    return load(dtype="float32")


@pytest.fixture(scope="module")
def half_on_gpu():
    return load(dtype="bfloat16")


def in_use():
    return torch.cuda.memory_allocated()


# --- devices


def test_the_gpu_is_described():
    cpu, gpu, *_ = llmdit.available_devices()
    properties = torch.cuda.get_device_properties(0)
    assert (cpu.name, gpu.name) == ("cpu", "cuda:0") and gpu.description == properties.name
    assert abs(gpu.memory_bytes - properties.total_memory) < 0.02 * properties.total_memory
    assert gpu.features == [f"sm_{properties.major}{properties.minor}"]
    assert properties.name in run("devices").stdout and properties.name in run("doctor").stdout


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_names_of_the_gpu(name):
    transformer = llmdit.ZImageTransformer.from_pretrained(DEMO_MODEL / "transformer", device=name)
    assert {tensor.device for tensor in transformer.state_dict().values()} == {torch.device("cuda:0")}


def test_a_gpu_that_is_not_there():
    with pytest.raises(ValueError, match=r"\[device\] expected auto, cpu, cuda:0.*got 'cuda:77'"):
        load("cuda:77")


# --- pictures


REQUESTS = {
    "plain": {},
    "guided": {"guidance_scale": 3.0, "negative_prompt": "a gray wall", "cfg_normalization": 1.0},
    "two prompts": {"prompt": [PROMPT, "a cat"]},
    "two of each": {"num_images_per_prompt": 2},
    "a mix of layers": {"layer_weights": {-2: 0.7, 1: 0.3}},
    "a long prompt": {"prompt": "a red circle, " * 700, "long_prompt_mode": "interpolate"},
    "an attention pool": {"prompt": "a red circle, " * 700, "long_prompt_mode": "attention_pool"},
    "from a picture": {"image": picture(64, 48), "strength": 0.7},
    "inpainted": {"image": picture(64, 48), "mask_image": box_mask(64, 48, (13, 9, 50, 31)), "mask_feather": 3},
    "in tiles": {"width": 192, "height": 160, "vae_tiling": "on", "vae_tile_size": 64, "vae_tile_overlap": 16},
    "steps left out": {"step_cache": 0.3, "num_inference_steps": 8},
    "blended": {"vl_image": picture(64, 48), "vl_alpha": 0.4},
    "blended by attention": {"vl_image": picture(64, 48), "vl_blend_mode": "attention_weighted"},
    "blended as style": {"vl_image": picture(64, 48), "vl_blend_mode": "style_delta"},
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_pictures_are_those_of_the_cpu(request_, on_cpu, on_gpu):
    options = {"prompt": PROMPT} | SMALL | REQUESTS[request_]
    want, got = on_cpu(**options), on_gpu(**options)
    assert got.reused_steps == want.reused_steps
    for name in ("latents", "images"):
        record(
            f"GPU against CPU, {name}",
            relative_error(getattr(got, name), getattr(want, name)),
            bound=FLOAT32,
            where=request_,
        )
    again = on_gpu(**options)
    assert torch.equal(again.images, got.images)


@pytest.mark.parametrize("request_", REQUESTS)
def test_in_16_bits(request_, on_cpu, half_on_gpu):
    options = {"prompt": PROMPT} | SMALL | REQUESTS[request_] | {"step_cache": 0}
    want, got = on_cpu(**options), half_on_gpu(**options)
    record("GPU in bf16 against CPU", relative_error(got.latents, want.latents), bound=BFLOAT16, where=request_)


def test_half_precision_is_no_worse_than_the_reference_s(folders, references):
    """The reference on the same GPU in bf16, both against the float32 truth."""
    from reference import run as run_reference
    from reference import seeded
    from tiny_models import load_pipeline

    size = {"width": 48, "height": 48, "num_inference_steps": 4}
    want = run_reference(references("base"), PROMPT, generator=seeded(3), decode=False, **size).latents[-1]
    theirs = load_pipeline(folders("base", torch.bfloat16), torch.bfloat16).to("cuda")
    bound = relative_error(run_reference(theirs, PROMPT, generator=seeded(3), decode=False, **size).latents[-1], want)
    ours = load(path=folders("base", torch.bfloat16))(PROMPT, seed=3, output_type="latent", **size).latents
    record("GPU in bf16 against the reference's", relative_error(ours, want), bound=1.2 * bound, where="base")


@pytest.mark.parametrize(
    "parts",
    [
        {"text_encoder_device": "cpu"},
        {"dit_device": "cpu"},
        {"vae_device": "cpu"},
        {"vl_device": "cpu"},
        {"device": "cpu", "dit_device": "cuda"},
    ],
    ids=str,
)
def test_parts_on_different_devices(parts, on_cpu):
    options = SMALL | {"vl_image": picture(64, 48), "vl_alpha": 0.3, "image": picture(64, 48), "strength": 0.8}
    pipe = load(**{"device": "cuda", "dtype": "float32"} | parts)
    assert relative_error(pipe(PROMPT, **options).images, on_cpu(PROMPT, **options).images) <= FLOAT32


def test_embeddings_latents_and_generators_on_the_gpu(on_gpu):
    want = on_gpu(PROMPT, **SMALL)
    embeds = on_gpu.encode_prompt(PROMPT).embeddings[0]
    for given in (embeds.cuda(), embeds.cpu()):
        assert torch.equal(on_gpu(prompt_embeds=[given], **SMALL).images, want.images)
    start = torch.randn(1, on_gpu.transformer.config.in_channels, 6, 8)
    options = {name: value for name, value in SMALL.items() if name not in ("seed", "width", "height")}
    first, second = (on_gpu(PROMPT, latents=given, **options).images for given in (start, start.cuda()))
    assert torch.equal(first, second)
    drawn = {"generator": torch.Generator("cuda").manual_seed(5), "width": 64, "height": 48, "num_inference_steps": 1}
    assert on_gpu(PROMPT, **drawn).latents.isfinite().all()


# --- weights


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_quantised_at_load(kind):
    on_cpu, on_gpu = (load(device, quantization=kind) for device in ("cpu", "cuda"))
    ours, theirs = (pipe.transformer.state_dict() for pipe in (on_gpu, on_cpu))
    for name, tensor in theirs.items():
        assert torch.equal(ours[name].cpu().float(), tensor.float()), name
    got, want = (pipe(PROMPT, **SMALL).latents for pipe in (on_gpu, on_cpu))
    record("GPU against CPU, quantised", relative_error(got, want), bound=0.1, where=kind)


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.name)
def test_blocks_stay_blocks(kind, wide, tmp_path):
    """To the bit the numbers of the file, in no more memory than it takes."""
    import checkpoint_forms as forms
    import numpy as np

    tensors = quantised(forms.original_transformer(wide), kind, np.random.default_rng(1))
    path = write(tmp_path / "x.gguf", tensors)
    before = in_use()
    ours = llmdit.ZImageTransformer.from_pretrained(path, device="cuda")
    blocks = sum(value[0].nbytes if isinstance(value, tuple) else value.nbytes for value in tensors.values())
    assert in_use() - before < 1.1 * blocks + 100 * 512
    got = ours.state_dict()
    for name in ("layers.0.feed_forward.w1.weight", "noise_refiner.0.feed_forward.w2.weight"):
        assert torch.equal(got[name].cpu(), values(tensors[name])), name
    on_cpu = llmdit.ZImageTransformer.from_pretrained(path, device="cpu")
    latents, prompt = torch.randn(1, 16, 12, 8), [torch.randn(20, 256)]
    record(
        "GPU against CPU, blocks",
        relative_error(ours(latents, 0.4, prompt), on_cpu(latents, 0.4, prompt)),
        bound=0.1,
        where=kind.name,
    )


@pytest.fixture(scope="module")
def wide():
    from test_gguf import tiny_models

    config = tiny_models.transformer_config(heads=16, axes_dims=[8, 12, 12], layers=1, refiners=1, width=256)
    model = tiny_models.make_transformer(tiny_models.TinyModel(transformer=config, seed=5))
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def test_a_lora_comes_and_goes(on_cpu):
    path = DEMO_MODEL / "loras/neon.safetensors"
    for options in ({"dtype": "float32"}, {"quantization": "int8"}):
        pipe = load(**options)
        before = pipe(PROMPT, **SMALL).images
        pipe.load_lora(path, 0.8)
        changed = pipe(PROMPT, **SMALL).images
        assert relative_error(changed, before) > 0.01
        if "dtype" in options:
            want = load("cpu", dtype="float32", lora=[f"{path}:0.8"])(PROMPT, **SMALL).images
            assert relative_error(changed, want) <= FLOAT32
        pipe.unload_loras()
        assert torch.equal(pipe(PROMPT, **SMALL).images, before)


@pytest.mark.parametrize("options", [{"cpu_offload": True}, {"max_memory": "5MB"}], ids=str)
@pytest.mark.parametrize("kind", ["none", "int8", "int4"])
def test_models_that_take_turns(options, kind):
    want = load(quantization=kind)(PROMPT, **SMALL).images
    before = in_use()
    pipe = load(quantization=kind, **options)
    for _ in range(2):
        assert torch.equal(pipe(PROMPT, **SMALL).images, want)
    assert in_use() - before < 24e6  # of one model and one picture
    pipe.load_lora(DEMO_MODEL / "loras/neon.safetensors")
    assert not torch.equal(pipe(PROMPT, **SMALL).images, want)


def test_memory_is_given_back():
    llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, device="cuda")(PROMPT, **SMALL)
    before = in_use()
    with load() as pipe:
        pipe(PROMPT, **SMALL, vl_image=picture(64, 48))
        assert in_use() > before + 1e6
    assert in_use() <= before


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_plan_grows_as_what_is_measured(dtype):
    """In the decoder, which takes most: what libraries keep for themselves is larger than this model."""
    pipe = load(dtype=dtype)
    planned, measured = [], []
    for side in (256, 512):
        size = {"width": side, "height": side, "num_inference_steps": 1}
        decode = llmdit.plan(DEMO_MODEL, [PROMPT], device="cuda", dtype=dtype, **size).stages[-1]
        assert (decode.name, decode.device) == ("decode", "cuda:0")
        planned.append(decode.activation_bytes)
        pipe(PROMPT, seed=1, **size)
        torch.cuda.reset_peak_memory_stats()
        before = in_use()
        pipe(PROMPT, seed=1, **size)
        measured.append(torch.cuda.max_memory_allocated() - before)
    error = abs((planned[1] - planned[0]) / (measured[1] - measured[0]) - 1)
    record("plan of a GPU's growth against measured", error, bound=0.4, where=dtype)


# --- attention, text, threads


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("backend", ["math", "sdpa", "flash", "mem_efficient"])
def test_each_backend_is_the_formula(backend, call):
    assert backend in llmdit.get_available_backends("cuda")
    query, key, given = CALLS[call]
    tensors = numbers(*query), numbers(*key, seed=1), numbers(*key, seed=2)
    for dtype, bound in ((torch.float32, 2e-5), (torch.bfloat16, 0.02)):
        if backend == "flash" and dtype == torch.float32:
            continue
        q, k, v = (tensor.to("cuda", dtype) for tensor in tensors)
        mask = given["mask"].cuda() if "mask" in given else None
        options = {"is_causal": given.get("causal", False), "scale": given.get("scale"), "backend": backend}
        if mask is not None and backend in ("flash", "mem_efficient"):
            with pytest.raises(llmdit.Error, match="expected no mask"):
                llmdit.attention_forward(q, k, v, mask, **options)
            continue
        got = llmdit.attention_forward(q, k, v, mask, **options).cpu()
        assert distance(got, naive(*(tensor.cpu() for tensor in (q, k, v)), **given)) < bound, dtype


@pytest.mark.parametrize("backend", ["math", "sdpa", "flash", "mem_efficient"])
def test_a_model_with_each_backend(backend, on_cpu):
    pipe = load(dtype="bfloat16", attention_backend=backend)
    options = SMALL | {"guidance_scale": 2.0}
    got, want = pipe([PROMPT, "a cat"], **options).latents, on_cpu([PROMPT, "a cat"], **options).latents
    record("GPU in bf16 against CPU", relative_error(got, want), bound=BFLOAT16, where=backend)


def test_flash_in_32_bits_says_what_to_do():
    pipe = load(dtype="float32", attention_backend="flash")
    with pytest.raises(llmdit.Unsupported, match="16-bit"):
        pipe(PROMPT, **SMALL)


def test_text_is_that_of_the_cpu(on_cpu, on_gpu):
    greedy = {"temperature": 0.0, "repetition_penalty": 1.0, "max_new_tokens": 24}
    prompt = llmdit.format_prompt(PROMPT)
    assert (
        on_gpu.text_encoder.generate(prompt, **greedy).token_ids
        == on_cpu.text_encoder.generate(prompt, **greedy).token_ids
    )
    extractors = [
        vl.VLEmbeddingExtractor.from_pretrained(DEMO_MODEL / "vl_encoder", device=d, dtype="float32")
        for d in ("cpu", "cuda")
    ]
    want, got = (extractor.generate(picture(64, 48), "what is there", **greedy).token_ids for extractor in extractors)
    assert got == want
    rows = [extractor.extract(picture(64, 48)).embeddings for extractor in extractors]
    assert relative_error(rows[1], rows[0]) <= FLOAT32


def test_prompts_that_share_their_beginning(on_gpu):
    prompts = [f"a red circle on a white background, number {i}" for i in range(5)]
    together = on_gpu.encode_prompt(prompts).embeddings
    for prompt, rows in zip(prompts, together, strict=True):
        assert relative_error(rows, on_gpu.encode_prompt(prompt).embeddings[0]) <= FLOAT32


def test_threads_share_a_pipeline(half_on_gpu):
    want = [half_on_gpu(PROMPT, **SMALL | {"seed": seed}).images for seed in range(4)]
    got = [None] * 4

    def work(seed):
        got[seed] = half_on_gpu(PROMPT, **SMALL | {"seed": seed}).images

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


def test_the_context_refiner_trains(refiner_on_gpu, with_gradients):
    x = torch.randn(40, refiner_on_gpu.config.dim, device="cuda", requires_grad=True)
    out = refiner_on_gpu(x)
    assert out.device == x.device
    out.square().mean().backward()
    assert x.grad.isfinite().all() and x.grad.abs().max() > 0


@pytest.fixture
def refiner_on_gpu():
    return llmdit.ContextRefiner.from_pretrained(DEMO_MODEL / "transformer", device="cuda", dtype="float32")


def test_the_command(tmp_path):
    done = run("generate", PROMPT, "--device", "cuda", "--seed", "1", "-o", tmp_path / "x.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"cuda:0 ({torch.cuda.get_device_name(0)})" in str(Image.open(tmp_path / "x.png").text)
    again = run("generate", "--from", tmp_path / "x.png", "-o", tmp_path / "y.png", cwd=tmp_path)
    assert again.returncode == 0 and (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes(), (
        again.stderr
    )
