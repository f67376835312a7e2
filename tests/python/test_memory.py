"""Models that take turns, weights within a bound, and plans of both against what is measured."""

import json
import os
import shutil
import subprocess
import sys
import threading

import llmdit
import pytest
import torch
from command import DEMO_MODEL, LLMDIT, OUT_OF_MEMORY, copy_of_demo_model, environment, generate, pixels
from command import llmdit as run

RUN = {"seed": 3, "num_inference_steps": 2, "output_type": "pt"}


def load(path=DEMO_MODEL, **options):
    return llmdit.ZImagePipeline.from_pretrained(path, device="cpu", **options)


@pytest.fixture(scope="module")
def plain():
    return load()


@pytest.fixture(scope="module")
def picture(plain):
    return plain("a red circle", **RUN).images


def resident(folder):
    """Resident bytes of this process's views of files below the folder, by part."""
    found = {}
    part = None
    with open("/proc/self/smaps", encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                path = words[-1]
                part = path[len(str(folder)) + 1 :].split("/")[0] if path.startswith(f"{folder}/") else None
            elif words[0] == "Rss:" and part:
                found[part] = found.get(part, 0) + int(words[1]) * 1024
    return found


def smallest(part):
    """The least that max_memory may be for a part of the demo model."""
    with pytest.raises(ValueError, match="expected at least") as refused:
        {"transformer": llmdit.ZImageTransformer, "text_encoder": llmdit.ZImageTextEncoder}[part].from_pretrained(
            DEMO_MODEL / part,
            **({"tokenizer_path": DEMO_MODEL / "tokenizer"} if part == "text_encoder" else {}),
            max_memory="1KB",
        )
    return str(refused.value).split("at least ")[1].split(" ")[0]


# --- turns


def test_models_that_take_turns_make_the_same_picture(picture):
    pipe = load(cpu_offload=True)
    for _ in range(2):
        assert torch.equal(pipe("a red circle", **RUN).images, picture)


def test_at_most_one_model_is_in_memory(tmp_path):
    model = copy_of_demo_model(tmp_path / "model")
    sizes = {
        part: (next((model / part).glob("*.safetensors"))).stat().st_size for part in ("text_encoder", "transformer")
    }

    def shares():
        """How much of each file is in memory: of one that has left, little but its header."""
        return {part: resident(model)[part] / size for part, size in sizes.items()}

    pipe = load(model, cpu_offload=True)
    assert max(shares().values()) < 0.2
    seen = []
    pipe("a red circle", **RUN, on_step=lambda info: seen.append(shares()))
    assert seen[0]["transformer"] > 0.5 and seen[0]["text_encoder"] < 0.2
    assert max(shares().values()) < 0.2
    everything = load(model)
    everything("a red circle", **RUN)
    assert min(shares().values()) > 0.5


def test_quantised_copies_are_made_again(picture):
    pipe = load(cpu_offload=True, quantization="int8")
    first, second = (pipe("a red circle", **RUN).images for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, load(quantization="int8")("a red circle", **RUN).images)


def test_parts_alone_come_in_when_they_are_called(plain):
    pipe = load(cpu_offload=True)
    prompts = ["a red circle"]
    wanted, got = plain.encode_prompt(prompts).embeddings[0], pipe.encode_prompt(prompts).embeddings[0]
    assert torch.equal(got, wanted)
    latents, t = torch.randn(1, plain.transformer.config.in_channels, 16, 16), torch.tensor([0.5])
    assert torch.equal(pipe.transformer(latents, t, [wanted]), plain.transformer(latents, t, [wanted]))
    assert torch.equal(pipe.vae.decode(latents), plain.vae.decode(latents))
    mine, theirs = pipe.transformer.state_dict(), plain.transformer.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert pipe.transformer.unused_weights == plain.transformer.unused_weights


def test_a_callback_may_use_the_other_models(picture):
    pipe = load(cpu_offload=True)
    previews = []

    def look(info):
        previews.append(pipe.vae.preview(info.latents))
        pipe.encode_prompt(["a blue square"])

    assert torch.equal(pipe("a red circle", **RUN, on_step=look).images, picture)
    assert len(previews) == RUN["num_inference_steps"]


def test_threads_wait_for_each_other(picture):
    pipe = load(cpu_offload=True)
    results = [None] * 4

    def work(index):
        results[index] = pipe("a red circle", **RUN).images

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(result, picture) for result in results)


def test_a_failed_call_gives_its_turn_back(picture):
    pipe = load(cpu_offload=True)

    def fail(info):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        pipe("a red circle", **RUN, on_step=fail)
    assert torch.equal(pipe("a red circle", **RUN).images, picture)


def test_loras_with_turns():
    lora = DEMO_MODEL / "loras/neon.safetensors"
    plain, pipe = load(), load(cpu_offload=True)
    before = pipe("a red circle", **RUN).images
    for one in (plain, pipe):
        one.load_lora(lora, scale=0.5)
    changed = pipe("a red circle", **RUN).images
    assert torch.equal(changed, plain("a red circle", **RUN).images) and not torch.equal(changed, before)
    pipe.unload_loras()
    assert torch.equal(pipe("a red circle", **RUN).images, before)


def test_a_damaged_part_is_found_at_load(tmp_path):
    model = copy_of_demo_model(tmp_path / "model")
    config = json.loads((model / "transformer/config.json").read_text())
    (model / "transformer/config.json").write_text(json.dumps({**config, "n_layers": config["n_layers"] + 1}))
    with pytest.raises(llmdit.Unsupported, match="expected a tensor"):
        load(model, cpu_offload=True)


def test_a_single_model_has_nobody_to_take_turns_with():
    with pytest.raises(ValueError, match="none waits for its turn"):
        llmdit.ZImageTransformer.from_pretrained(DEMO_MODEL / "transformer", cpu_offload=True)


# --- a bound


@pytest.mark.parametrize("options", [{}, {"quantization": "int8"}, {"dtype": "float32"}])
def test_streamed_blocks_make_the_same_picture(options):
    least = max(smallest("transformer"), smallest("text_encoder"), key=lambda text: llmdit_bytes(text))
    bound = f"{int(llmdit_bytes(least) * 2)}"
    pipe = load(max_memory=bound, **options)
    assert torch.equal(pipe("a red circle", **RUN).images, load(**options)("a red circle", **RUN).images)


def llmdit_bytes(text):
    units = {"KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
    number = text.rstrip("KMGiB")
    return float(number) * units.get(text[len(number) :], 1)


def test_a_bound_that_is_too_low_tells_the_least():
    least = smallest("transformer")
    transformer = llmdit.ZImageTransformer.from_pretrained(DEMO_MODEL / "transformer", max_memory=least)
    whole = llmdit.ZImageTransformer.from_pretrained(DEMO_MODEL / "transformer")
    latents, t = torch.randn(1, whole.config.in_channels, 16, 16), torch.tensor([0.5])
    embeds = [torch.randn(5, whole.config.cap_feat_dim)]
    for _ in range(2):
        assert torch.equal(transformer(latents, t, embeds), whole(latents, t, embeds))
    assert transformer.state_dict().keys() == whole.state_dict().keys()
    done = run("generate", "a", "--max-memory", "1KB")
    assert done.returncode == 2 and "expected at least" in done.stderr


@pytest.mark.parametrize("text", ["", "8", "0GB", "-1GB", "8 apples", "nan", "1e30GB", "GB"])
def test_sizes_that_are_none(text):
    if text == "8":
        assert llmdit.LoadOptions(max_memory="8").max_memory == "8"
        return
    with pytest.raises(ValueError, match="expected a positive size such as 8GB"):
        llmdit.LoadOptions(max_memory=text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("8GB", "8GB"),
        ("8 gb", "8GB"),
        ("7.5GiB", "7680MiB"),
        ("512MiB", "512MiB"),
        ("1500M", "1500MB"),
        ("1001", "1001"),
    ],
)
def test_sizes(text, written):
    assert llmdit.LoadOptions(max_memory=text).max_memory == written


# --- quantisation by component


def test_quantisation_by_component():
    by_part = load(quantization={"transformer": "int8", "text_encoder": "none"})
    by_option = load(dit_quantization="int8")
    assert torch.equal(by_part("a red circle", **RUN).images, by_option("a red circle", **RUN).images)
    prompts = ["a red circle"]
    assert torch.equal(by_part.encode_prompt(prompts).embeddings[0], load().encode_prompt(prompts).embeddings[0])
    mixed = load(quantization="int8", text_encoder_quantization="none")
    assert torch.equal(mixed("a red circle", **RUN).images, by_part("a red circle", **RUN).images)
    with pytest.raises(ValueError, match="expected text_encoder, transformer or vl, got 'vae'"):
        load(quantization={"vae": "int8"})


# --- plans

PEAK = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); \
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"


def measured_peak(tmp_path, *arguments):
    """The least of three runs: what threads' allocators keep by chance only adds to it."""
    return min(peak_of_a_run(tmp_path, *arguments) for _ in range(3))


def peak_of_a_run(tmp_path, *arguments):
    command = [LLMDIT, "generate", "a red circle", "-o", tmp_path / "a.png", "--steps", "1", *arguments]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, command)], capture_output=True, text=True, env=environment(), check=True
    )
    return int(done.stdout)


def planned(*arguments, code=0):
    done = run("plan", "a red circle", "--json", "--steps", "1", *arguments)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--cpu-offload"], ["--width", "512", "--height", "512"], ["--quantization", "int8", "--width", "512"]],
    ids=" ".join,
)
def test_a_plan_is_what_is_measured(tmp_path, arguments):
    plan = planned("--device", "cpu", *arguments)
    # Of so small a model most is the process and its allocator, which differ from machine to machine; docs/memory.md
    # has the figures of a model of the real width.
    assert plan["peak_bytes"] == pytest.approx(measured_peak(tmp_path, "--device", "cpu", *arguments), rel=0.25)
    assert plan["fits"] and plan["peak_bytes"] == max(stage["peak_bytes"] for stage in plan["stages"])


def test_a_plan_tells_parts_and_stages():
    plan = llmdit.plan(DEMO_MODEL, ["a red circle"], device="cpu", width=256, height=256, num_inference_steps=4)
    assert [part.name for part in plan.components] == ["text_encoder", "transformer", "vae"]
    for part in plan.components:
        size = sum(file.stat().st_size for file in (DEMO_MODEL / part.name).glob("*.safetensors"))
        assert part.file_bytes == pytest.approx(size, rel=0.05)
        assert part.mapped_bytes + part.copied_bytes >= part.file_bytes
    assert [stage.name for stage in plan.stages] == ["encode", "denoise", "decode"]
    twice = llmdit.plan(DEMO_MODEL, ["a red circle"], device="cpu", width=256, height=256, num_inference_steps=8)
    assert twice.stages[1].flops == pytest.approx(2 * plan.stages[1].flops, rel=0.05)
    assert twice.peak_bytes == pytest.approx(plan.peak_bytes, rel=0.02)
    assert plan.stages[1].seconds is None and plan.token_counts[0] > 3
    assert all(stage.seconds > 0 for stage in llmdit.plan(DEMO_MODEL, measure_speed=True, device="cpu").stages)
    offload = llmdit.plan(DEMO_MODEL, device="cpu", cpu_offload=True)
    assert offload.stages[1].weight_bytes < plan.stages[1].weight_bytes


def test_a_plan_refuses_what_loading_would_refuse():
    for keywords in ({"compile": True}, {"max_memory": "1KB"}, {"width": 100}, {"width": 1 << 20}, {"widht": 64}):
        with pytest.raises((ValueError, TypeError, NotImplementedError)):
            llmdit.plan(DEMO_MODEL, **keywords)
    with pytest.raises(FileNotFoundError):
        llmdit.plan("/nowhere")


def test_a_plan_remarks_and_refuses_what_a_run_would(tmp_path):
    options = {"strength": 0.5, "negative_prompt": "x", "max_text_tokens": 10, "num_inference_steps": 1}
    plan = llmdit.plan(DEMO_MODEL, ["a red circle on a white background"], device="cpu", **options)
    assert plan.warnings == load()("a red circle on a white background", **options).warnings and len(plan.warnings) == 3
    for keywords, message in (
        ({"hidden_layer": 99}, "hidden_layer"),
        ({"sigmas": [0.5, 1.0]}, "sigmas"),
        ({"lora": [str(DEMO_MODEL / "vae/diffusion_pytorch_model.safetensors")]}, "lora"),
        ({"negative_prompt": "x", "guidance_scale": 1, "layer_weights": {99: 1.0}}, "hidden_layer"),
    ):
        with pytest.raises((ValueError, NotImplementedError), match=message):
            llmdit.plan(DEMO_MODEL, ["a"], **keywords)


def test_a_result_tells_what_it_was_made_with(tmp_path):
    pipe = load(dit_quantization="int8", lora=[f"{DEMO_MODEL / 'loras/neon.safetensors'}:0.5"])
    result = pipe("a red circle", **RUN)
    assert result.made_with["transformer.quantization"] == "int8" and result.made_with["vae.device"] == "cpu"
    assert result.made_with["lora 1"].startswith("neon.safetensors x 0.5, ") and result.shift == 3.0
    assert result.made_with == pipe("a blue star", **RUN).made_with
    pipe.unload_loras()
    assert "lora 1" not in pipe("a red circle", **RUN).made_with
    result.save(tmp_path / "a.png")
    settings = llmdit.read_picture_settings(tmp_path / "a.png")
    assert settings.made_with == result.made_with and settings.load.dit_quantization == "int8"
    assert settings.load.lora == [] and [lora.scale for lora in settings.loras] == [0.5]


def test_a_model_that_is_gone_costs_no_picture(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(DEMO_MODEL, model)
    pipe = llmdit.ZImagePipeline.from_pretrained(model)
    shutil.rmtree(model)
    made_with = pipe("a red circle", **RUN).made_with
    assert made_with["vae.files"] == "gone since they were loaded" and made_with["vae.dtype"] == "as stored"


def test_a_plan_of_more_than_there_is():
    large = ["--width", "2048", "--height", "2048", "--num-images-per-prompt", "64", "--attention-backend", "math"]
    plan = planned("--device", "cpu", *large, code=OUT_OF_MEMORY)
    assert not plan["fits"] and any("cpu_offload" in warning for warning in plan["warnings"])


def test_a_dry_run_agrees_with_the_plan(tmp_path):
    done = run("generate", "a red circle", "--dry-run", "--json", "--width", "256", "--steps", "1", cwd=tmp_path)
    memory = json.loads(done.stdout)["memory"]
    plan = planned("--width", "256")
    assert memory["components"] == plan["components"]
    assert memory["peak_bytes"] == pytest.approx(plan["peak_bytes"], rel=0.03)
    listing = run("generate", "a red circle", "--dry-run", cwd=tmp_path).stdout
    assert "memory: peak " in listing
    assert run("plan").stdout.count("at its peak") == 3


def test_what_is_asked_for_on_the_command_line_arrives(tmp_path):
    document = generate(tmp_path, "--seed", 7, "--cpu-offload", "--max-memory", "100MB")
    assert document["load"]["cpu_offload"] is True and document["load"]["max_memory"] == "100MB"
    assert pixels(document) == pixels(generate(tmp_path, "--seed", 7))
    assert os.path.exists(tmp_path / "picture.png")


# --- options without effect


def test_options_without_effect_are_told(tmp_path):
    small = tmp_path / "small.safetensors"
    llmdit.convert_weights(DEMO_MODEL / "transformer", small, quantization="fp8")
    result = load(transformer_path=small, dit_quantization="int8")("a red circle", **RUN)
    assert any("quantization has no effect on the transformer" in warning for warning in result.warnings)
    llmdit.convert_weights(DEMO_MODEL / "transformer", tmp_path / "small.gguf", quantization="q8_0")
    result = load(transformer_path=tmp_path / "small.gguf", dit_quantization="int8")("a red circle", **RUN)
    assert result.warnings == []  # its blocks are multiplied in integers
    embeds = load().encode_prompt(["a red circle"]).embeddings
    bare = load(text_encoder="none", text_encoder_quantization="int8", text_encoder_device="cpu")
    warnings = "\n".join(bare(prompt_embeds=embeds, **RUN).warnings)
    assert "text_encoder_quantization has no effect" in warnings and "text_encoder_device has no effect" in warnings
    assert not any("no effect" in warning for warning in load(quantization="int8")("a red circle", **RUN).warnings)
