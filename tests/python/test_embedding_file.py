"""Embeddings in files: what is written is read, as are other programs' kinds; pictures from them need no encoder."""

import json
import shutil

import command
import llmdit
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

SMALL = {"width": 32, "height": 32, "num_inference_steps": 2, "seed": 5}
CIRCLE = "a red circle on a white background"


@pytest.fixture
def encoded(pipe):
    return pipe.encode_prompt(["a cat", "a dog in the rain"], hidden_layer=-3, system_prompt="Paint in oil.")


def test_what_is_saved_is_loaded(encoded, tmp_path):
    path = llmdit.save_embeddings(tmp_path / "pair", encoded)
    assert path == tmp_path / "pair.safetensors"
    loaded = llmdit.load_embeddings(path)
    for ours, theirs in zip(loaded.embeddings, encoded.embeddings, strict=True):
        assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    assert loaded.token_counts == encoded.token_counts
    assert loaded.formatted_prompts == encoded.formatted_prompts and "Paint in oil." in loaded.formatted_prompts[0]
    assert loaded.prompts == ["a cat", "a dog in the rain"]
    assert loaded.metadata["hidden_layer"] == "-3" and loaded.metadata["system_prompt"] == "Paint in oil."
    assert loaded.metadata["model"] and loaded.metadata["encoder"] and not loaded.warnings
    # The analysis tools of llm-dit-experiments find what they look for.
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == {"embeddings_0", "embeddings_1"}
        header = file.metadata()
    assert header["count"] == "2" and json.loads(header["prompts"]) == loaded.prompts
    assert json.loads(header["custom_metadata"])["hidden_layer"] == "-3"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_types_and_strides_are_kept(encoded, tmp_path, dtype):
    source = tmp_path / "source.safetensors"
    save_file({"embeddings": torch.arange(6, dtype=dtype).reshape(3, 2)}, source)
    loaded = llmdit.load_embeddings(source)
    path = llmdit.save_embeddings(tmp_path / "again.safetensors", loaded)
    assert torch.equal(load_file(path)["embeddings"], load_file(source)["embeddings"])
    assert load_file(path)["embeddings"].dtype == dtype


def test_a_sidecar_has_the_keys_others_read(pipe, tmp_path):
    output = pipe.encode_prompt("a cat", thinking_content="Cats purr.")
    path = llmdit.save_embeddings(tmp_path / "one", output, sidecar=True)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["prompt"] == "a cat" and sidecar["thinking_content"] == "Cats purr." and sidecar["enable_thinking"]
    assert [sidecar["sequence_length"], sidecar["embedding_dim"]] == list(output.embeddings[0].shape)
    assert sidecar["dtype"] == "torch.float32" and sidecar["created_at"] and sidecar["model_path"]
    assert set(load_file(path)) == {"embeddings"}
    plain = pipe.encode_prompt("a cat", template="riso-two-ink")
    path = llmdit.save_embeddings(tmp_path / "plain", plain, sidecar=True)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["template"] == "riso-two-ink" and not sidecar["enable_thinking"]
    assert sidecar["system_prompt"] and sidecar["system_prompt"] in plain.formatted_prompts[0]
    both = pipe.encode_prompt(["a", "b"])
    with pytest.raises(ValueError, match="one text"):
        llmdit.save_embeddings(tmp_path / "two", both, sidecar=True)


def test_files_of_llm_dit_experiments(tmp_path):
    rows = torch.randn(4, 8)
    save_file({"embeddings": rows}, tmp_path / "a.safetensors")
    sidecar = {
        "prompt": "a hat",
        "template": None,
        "enable_thinking": True,
        "sequence_length": 4,
        "dtype": "torch.float32",
    }
    (tmp_path / "a.json").write_text(json.dumps(sidecar))
    distributed = llmdit.load_embeddings(tmp_path / "a.safetensors")
    assert torch.equal(distributed.embeddings[0], rows) and distributed.prompts == ["a hat"]
    assert distributed.metadata["enable_thinking"] == "true" and "template" not in distributed.metadata

    save_file({"embeddings": rows}, tmp_path / "bare.safetensors")
    bare = llmdit.load_embeddings(tmp_path / "bare.safetensors")
    assert bare.prompts == [] and bare.metadata == {} and bare.token_counts == [4]

    header = {"count": "2", "prompts": json.dumps(["x", "y"]), "custom_metadata": json.dumps({"layer": -2})}
    save_file({"embeddings_0": rows, "embeddings_1": rows[:2].clone()}, tmp_path / "b.safetensors", metadata=header)
    analysis = llmdit.load_embeddings(tmp_path / "b.safetensors")
    assert analysis.token_counts == [4, 2] and analysis.prompts == ["x", "y"] and analysis.metadata == {"layer": "-2"}

    save_file({"embeddings": rows[None], "extra": rows.clone()}, tmp_path / "c.safetensors")
    odd = llmdit.load_embeddings(tmp_path / "c.safetensors")
    assert odd.embeddings[0].shape == (4, 8) and "1 tensors of other names" in odd.warnings[0]


def bad_files():
    nan = torch.randn(3, 4)
    nan[1, 2] = float("nan")
    return {
        "nan": ({"embeddings": nan}, None, "finite"),
        "vector": ({"embeddings": torch.randn(4)}, None, r"\[tokens, hidden_size\]"),
        "integers": ({"embeddings": torch.ones(3, 4, dtype=torch.int32)}, None, "I32"),
        "empty": ({"embeddings": torch.zeros(0, 4)}, None, r"\[0, 4\]"),
        "weights": ({"layers.0.weight": torch.randn(3, 4)}, None, "layers.0.weight.*file of embeddings"),
        "widths": ({"embeddings_0": torch.randn(3, 4), "embeddings_1": torch.randn(3, 5)}, None, "4 and 5"),
        "json": ({"embeddings": torch.randn(3, 4)}, {"llmdit": "{"}, "bad_json"),
        "texts": ({"embeddings": torch.randn(3, 4)}, {"prompts": "[1]"}, "prompts"),
    }


@pytest.mark.parametrize("name", bad_files())
def test_bad_files_are_refused_with_the_reason(name, tmp_path):
    tensors, metadata, message = bad_files()[name]
    path = tmp_path / f"bad_{name}.safetensors"
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(llmdit.Unsupported, match=message):
        llmdit.load_embeddings(path)


def test_other_files(tmp_path, encoded):
    torch.save({"embeddings": torch.randn(3, 4)}, tmp_path / "x.pt")
    with pytest.raises(llmdit.Unsupported, match="programs.*weights_only=True"):
        llmdit.load_embeddings(tmp_path / "x.pt")
    with pytest.raises(FileNotFoundError, match=r"missing\.safetensors"):
        llmdit.load_embeddings(tmp_path / "missing.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 100)
    with pytest.raises(llmdit.Unsupported, match=r"junk\.safetensors"):
        llmdit.load_embeddings(tmp_path / "junk.safetensors")
    (tmp_path / "x.json").write_text('{"_class_name": "ZImagePipeline"}')
    with pytest.raises(llmdit.Unsupported, match=r"x\.json: expected a safetensors file.*begins with '\{\"_class_name"):
        llmdit.load_embeddings(tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"\.safetensors.*\.png"):
        llmdit.save_embeddings(tmp_path / "x.png", encoded)
    with pytest.raises(FileNotFoundError):
        llmdit.save_embeddings(tmp_path / "no" / "such" / "folder" / "x", encoded)


def test_a_pipeline_without_its_encoder(pipe, folders, model_copy, tmp_path):
    folder = model_copy()
    shutil.rmtree(folder / "text_encoder")
    shutil.rmtree(folder / "tokenizer")
    light = llmdit.ZImagePipeline.from_pretrained(folder, text_encoder="none")
    assert light.encoder is None and "None" in repr(light)
    output = pipe.encode_prompt("a cat")
    path = llmdit.save_embeddings(tmp_path / "cat", output)
    picture = light(prompt_embeds=llmdit.load_embeddings(path).embeddings, **SMALL)
    assert torch.equal(picture.latents, pipe("a cat", **SMALL).latents)
    for call in (lambda: light("a cat", **SMALL), lambda: light.encode_prompt("a cat")):
        with pytest.raises(llmdit.Unsupported, match="without a text encoder.*prompt"):
            call()
    with pytest.raises(llmdit.Unsupported, match="negative_prompt_embeds"):
        light(prompt_embeds=output.embeddings, guidance_scale=2.0, **SMALL)
    negative = pipe.encode_prompt("").embeddings
    guided = light(prompt_embeds=output.embeddings, negative_prompt_embeds=negative, guidance_scale=2.0, **SMALL)
    assert torch.equal(guided.latents, pipe("a cat", guidance_scale=2.0, **SMALL).latents)
    with pytest.raises(llmdit.Unsupported, match="loaded without"):
        light.text_encoder.encode("x")
    with pytest.raises(ValueError, match="text_encoder_path"):
        llmdit.ZImagePipeline.from_pretrained(folder, text_encoder="somewhere")


def test_another_encoder_in_the_model_s_place(pipe, folders):
    other = llmdit.ZImageTextEncoder.from_pretrained(folders("base") / "text_encoder")
    borrowed = llmdit.ZImagePipeline.from_pretrained(folders("base"), text_encoder=other)
    assert isinstance(borrowed.encoder, llmdit.TextEncoder)
    assert torch.equal(borrowed("a cat", **SMALL).latents, pipe("a cat", **SMALL).latents)


def test_encode_here_and_generate_there(tmp_path):
    """One command each; the second has neither encoder nor tokenizer."""
    model = command.copy_of_demo_model(tmp_path / "demo_model")
    done = command.llmdit("encode", CIRCLE, "-o", tmp_path / "out" / "circle", "--sidecar", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["output"].endswith("circle.safetensors") and (tmp_path / "out" / "circle.json").exists()
    file = llmdit.load_embeddings(document["output"])
    assert file.prompts == [CIRCLE] and file.metadata["model"] == "demo_model"
    assert len(file.metadata["encoder_fingerprint"]) == 64

    shutil.rmtree(model / "text_encoder")
    shutil.rmtree(model / "tokenizer")
    common = ["--steps", "2", "--seed", "7", "--json"]
    there = command.llmdit(
        "generate", "--embeddings", document["output"], "--model-path", model, "-o", tmp_path / "there.png", *common
    )
    assert there.returncode == 0, there.stderr
    here = command.llmdit("generate", CIRCLE, "-o", tmp_path / "here.png", *common)
    told = json.loads(there.stdout)
    assert command.pixels(told) == command.pixels(json.loads(here.stdout))
    assert told["prompt"] == CIRCLE and CIRCLE in told["formatted_prompt"] and told["embeddings"] == document["output"]
    assert "warning" not in there.stderr
    assert CIRCLE in llmdit.read_image_info(tmp_path / "there.png").text[0][1]


def test_mismatches_are_told(tmp_path):
    narrow = tmp_path / "narrow.safetensors"
    save_file({"embeddings": torch.randn(5, 7)}, narrow)
    done = command.llmdit("generate", "--embeddings", narrow, *command.FAST, cwd=tmp_path)
    assert done.returncode == command.USAGE and "7" in done.stderr
    done = command.llmdit("generate", "a cat", "--embeddings", narrow, cwd=tmp_path)
    assert done.returncode == command.USAGE and "not both" in done.stderr
    done = command.llmdit("generate", "--embeddings", tmp_path / "x.pt", cwd=tmp_path)
    assert done.returncode == command.UNSUPPORTED and "weights_only" in done.stderr

    done = command.llmdit("encode", "a cat", "-o", tmp_path / "cat.safetensors")
    assert done.returncode == 0 and done.stderr.count("wrote") == 1
    other = command.copy_of_demo_model(tmp_path / "another_model")
    done = command.llmdit(
        "generate", "--embeddings", tmp_path / "cat.safetensors", "--model-path", other, *command.FAST, cwd=tmp_path
    )
    assert done.returncode == 0 and "made for the model demo_model, this is another_model" in done.stderr


def test_a_picture_of_embeddings_is_made_again_with_them(tmp_path):
    file, first = tmp_path / "circle.safetensors", tmp_path / "first.png"
    assert command.llmdit("encode", "a red circle", "-o", file).returncode == 0
    assert command.llmdit("generate", "--embeddings", file, "--steps", 2, "--seed", 3, "-o", first).returncode == 0
    done = command.llmdit("generate", "--from", first, "-o", tmp_path / "again.png")
    assert done.returncode == command.USAGE and "give it by --embeddings" in done.stderr
    done = command.llmdit("generate", "--from", first, "--embeddings", file, "--json", "-o", tmp_path / "again.png")
    assert json.loads(done.stdout)["rerun"]["identical"]


def test_a_dry_run_asks_for_no_more_than_the_run(tmp_path, model_copy, pipe):
    """Neither embeddings nor a server need the encoder's files here; the server has to be there, as for the run."""
    file = tmp_path / "circle.safetensors"
    assert command.llmdit("encode", "a red circle", "-o", file).returncode == 0
    folder = model_copy()
    for part in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / part)
    common = ["generate", "--model-path", folder, "--dry-run", "--json"]
    plan = json.loads(command.llmdit(*common, "--embeddings", file).stdout)
    assert set(plan["parts"]) == {"transformer", "vae", "scheduler"}
    assert plan["runs"][0]["token_count"] is None and plan["runs"][0]["formatted_prompt"] is None
    with llmdit.EncoderServer(pipe.text_encoder, port=0) as server:
        plan = json.loads(command.llmdit(*common, "a red circle", "--encoder-url", server.url).stdout)
    assert plan["runs"][0]["formatted_prompt"] and plan["origins"]["api.url"] == "flag --encoder-url"
    done = command.llmdit(*common, "a red circle", "--encoder-url", "http://127.0.0.1:9")
    assert done.returncode == command.REMOTE and "nothing answers there" in done.stderr
    assert command.llmdit(*common, "a red circle").returncode == command.NOT_FOUND


def test_a_server_of_the_settings_steps_back_where_nothing_is_encoded(tmp_path):
    """What stands in a profile or the environment is no flag that has to have an effect, and a flag takes it back."""
    server = {"LLMDIT_API_URL": "http://127.0.0.1:9"}
    file = tmp_path / "circle.safetensors"
    assert command.llmdit("encode", "a red circle", "--encoder-url", "", "-o", file, env=server).returncode == 0
    assert command.llmdit("encode", "a red circle", "--layer-statistics", env=server).returncode == 0
    run = ["generate", "--embeddings", file, "--steps", 1, "-o", tmp_path / "a.png"]
    assert command.llmdit(*run, env=server).returncode == 0
    done = command.llmdit(*run, "--encoder-url", "http://127.0.0.1:9")
    assert done.returncode == command.USAGE and "has no effect" in done.stderr
    done = command.llmdit("generate", "a", "--encoder-api", "sglang", "-o", tmp_path / "a.png")
    assert done.returncode == command.USAGE and "--encoder-api has no effect without --encoder-url" in done.stderr


def test_rows_of_ones_own_are_kept_and_drawn(pipe, tmp_path):
    """A tensor, a list of them, and what encodes or reads them are all rows of prompts."""
    encoded = pipe.encode_prompt(["a cat", "a dog"])
    one, two = encoded.embeddings
    options = {"num_inference_steps": 1, "width": 32, "height": 32, "seed": 1, "output_type": "latent"}
    want = pipe(prompt_embeds=[one, two], **options).latents
    assert torch.equal(pipe(prompt_embeds=encoded, **options).latents, want)
    path = llmdit.save_embeddings(tmp_path / "both", [one, two])
    assert torch.equal(pipe(prompt_embeds=llmdit.load_embeddings(path), **options).latents, want)
    path = llmdit.save_embeddings(tmp_path / "one", one)
    assert torch.equal(llmdit.load_embeddings(path).embeddings[0], one)
    assert torch.equal(pipe(prompt_embeds=one, **options).latents, pipe(prompt_embeds=[one], **options).latents)
    for wrong in (5, "x", [1], None):
        with pytest.raises(TypeError, match="expected an EncodingOutput, a tensor"):
            llmdit.save_embeddings(tmp_path / "wrong", wrong)
    with pytest.raises(ValueError, match="prompt_embeds.*NaN or infinity in tensor 0"):
        pipe(prompt_embeds=one * float("nan"), **options)
