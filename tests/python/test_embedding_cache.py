"""The cache of embeddings: what comes out is what was computed, bit for bit, and only for what it was computed from."""

import json
import shutil
import threading

import command
import llmdit
import pytest
import torch

SMALL = {"width": 32, "height": 32, "num_inference_steps": 2, "seed": 5}


@pytest.fixture
def encoder(folders):
    """A fresh encoder with a cache of its own."""

    def load(folder=None, **options):
        return llmdit.ZImageTextEncoder.from_pretrained(
            (folder or folders("base")) / "text_encoder", **{"enable_cache": True, **options}
        )

    return load


@pytest.fixture
def entry(tmp_path):
    from safetensors.torch import save_file

    def make(rows, value=0.0):
        path = tmp_path / f"entry-{rows}-{value}.safetensors"
        save_file({"embeddings": torch.full((rows, 256), value)}, path)
        return llmdit.load_embeddings(path)

    return make


def test_cached_is_computed_bit_for_bit(pipe, encoder):
    cached = encoder()
    texts = [llmdit.format_prompt("a cat"), llmdit.format_prompt("a dog")]
    alone = [pipe.text_encoder.encode(text, hidden_layer=-3) for text in texts]
    plain = [output.embeddings[0] for output in alone]
    for round_trip in range(2):
        output = cached.encode(texts, hidden_layer=-3)
        assert all(map(torch.equal, output.embeddings, plain))
        assert output.token_counts == [output.token_counts[0] for output in alone]
        assert output.formatted_prompts == texts
        assert output.metadata == alone[0].metadata, round_trip
    stats = cached.cache_stats()
    assert (stats.hits, stats.misses, stats.current_size, stats.max_size) == (2, 2, 2, 100)
    assert stats.hit_rate == 50.0 and stats.current_bytes == sum(e.nbytes for e in plain)
    cached.clear_cache()
    assert cached.cache_stats().current_size == 0 and cached.cache_stats().hit_rate == 0.0


def test_a_caller_cannot_change_what_is_kept(encoder):
    cached = encoder()
    first = cached.encode("a cat").embeddings[0]
    kept = first.clone()
    first.zero_()
    second = cached.encode("a cat").embeddings[0]
    assert torch.equal(second, kept)
    second.fill_(7)
    assert torch.equal(cached.encode("a cat").embeddings[0], kept)


def test_without_a_cache_nothing_is_counted(pipe):
    plain = pipe.text_encoder
    assert plain.cache is None
    assert (plain.cache_stats().hits, plain.cache_stats().misses) == (0, 0)
    plain.clear_cache()


def test_the_one_used_longest_ago_goes_first(entry):
    cache = llmdit.EmbeddingCache(2)
    for key in "ab":
        cache.put(key, entry(1))
    assert cache.get("a") is not None
    cache.put("c", entry(1))
    assert cache.get("b") is None and cache.get("a") is not None and cache.get("c") is not None
    assert (cache.stats().evictions, len(cache)) == (1, 2)
    cache.put("a", entry(1, 2.0))  # in its own place: nobody has to go
    assert (cache.stats().evictions, len(cache)) == (1, 2) and cache.get("a").embeddings[0][0, 0] == 2.0


def test_limit_of_bytes(entry):
    cache = llmdit.EmbeddingCache(100, max_bytes=10 * 1024)
    for key in ("a", "b", "c"):
        cache.put(key, entry(4))
    assert cache.get("a") is None and cache.get("b") is not None and cache.stats().current_bytes == 8 * 1024
    cache.put("large", entry(11))  # would push out all others and still not fit
    assert cache.get("large") is None and len(cache) == 2


def test_a_cache_of_nothing_counts_nothing(entry):
    cache = llmdit.EmbeddingCache(0)
    cache.put("a", entry(1))
    assert cache.get("a") is None and cache.stats().misses == 0 and len(cache) == 0
    with pytest.raises(ValueError, match="max_entries.*-1"):
        llmdit.EmbeddingCache(-1)
    for key in ("", "../a", "a b", "/a", "a" * 201):
        with pytest.raises(ValueError, match="key"):
            cache.get(key)


def test_the_fingerprint_is_of_content(folders, model_copy, encoder):
    """A copy elsewhere is the same model; one changed weight, another type or tokenizer is not (E9)."""
    base = encoder().fingerprint()
    assert len(base) == 64 and encoder().fingerprint() == base
    copy = model_copy()
    assert encoder(copy).fingerprint() == base
    assert encoder(dtype="bfloat16").fingerprint() != base
    assert encoder(quantization="int8").fingerprint() != base

    from safetensors.torch import load_file, save_file

    weights = next((copy / "text_encoder").glob("*.safetensors"))
    tensors = load_file(weights)
    name = next(n for n in tensors if n.endswith("layers.1.mlp.up_proj.weight"))
    tensors[name][0, 0] += 1e-3
    save_file(tensors, weights, metadata={"format": "pt"})
    assert encoder(copy).fingerprint() != base

    tokenizer = model_copy("base") if not copy.exists() else copy
    shutil.copy(folders("base") / "text_encoder" / weights.name, weights)
    assert encoder(tokenizer).fingerprint() == base
    file = tokenizer / "tokenizer" / "tokenizer.json"
    file.write_text(file.read_text() + "\n")
    assert encoder(tokenizer).fingerprint() != base


def test_a_lora_of_the_encoder_is_another_encoder(folders, tmp_path):
    from safetensors.torch import save_file

    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), enable_cache=True)
    width = pipe.text_encoder.hidden_size
    heads = pipe.text_encoder.config.num_attention_heads * pipe.text_encoder.config.head_dim

    def lora(name, value):
        path = tmp_path / name / "style.safetensors"
        path.parent.mkdir()
        key = "text_encoder.layers.0.self_attn.q_proj"
        up, down = torch.full((heads, 2), value), torch.full((2, width), value)
        save_file({f"{key}.lora_B.weight": up, f"{key}.lora_A.weight": down}, path)
        return path

    one, other = lora("one", 0.1), lora("other", 0.2)
    plain = pipe.encode_prompt("a cat").embeddings[0]
    seen, prints = [plain], {pipe.text_encoder.fingerprint()}
    for path, scale in ((one, 1.0), (one, 0.5), (other, 1.0)):  # of one name, with other content
        pipe.load_lora(path, scale, text_encoder=True)
        embeddings = pipe.encode_prompt("a cat").embeddings[0]
        assert not any(torch.equal(embeddings, before) for before in seen)
        seen.append(embeddings)
        prints.add(pipe.text_encoder.fingerprint())
        pipe.unload_loras()
    assert len(prints) == 4
    misses = pipe.text_encoder.cache_stats().misses
    assert torch.equal(pipe.encode_prompt("a cat").embeddings[0], plain)
    assert pipe.text_encoder.cache_stats().misses == misses  # the plain weights are the plain weights again


def test_options_that_change_the_result_are_in_the_key(encoder):
    cached = encoder()
    for text in ("a cat", "a cat ", "A cat"):
        for layer in (-2, -3, 1):
            cached.encode(text, hidden_layer=layer)
    for mix in ({-2: 1.0, -3: 1.0}, {-2: 2.0, -3: 1.0}):
        cached.encode("a cat", layer_weights=mix)
    for span in ("0:1=-3:1", "0:2=-3:1", "0:1=-3:1,2:1"):
        cached.encode("a cat", layer_spans=span)
    assert (cached.cache_stats().hits, cached.cache_stats().misses) == (0, 14)


def test_files_of_one_encoder_serve_another_process(pipe, encoder, tmp_path):
    folder = tmp_path / "prompts"
    plain = pipe.text_encoder.encode("a cat")
    encoder(cache_folder=folder).encode("a cat")
    fresh = encoder(cache_folder=folder)
    output = fresh.encode("a cat")
    assert torch.equal(output.embeddings[0], plain.embeddings[0]) and output.token_counts == plain.token_counts
    assert output.formatted_prompts == ["a cat"] and output.metadata["hidden_layer"] == "-2"
    assert (fresh.cache_stats().hits, fresh.cache_stats().file_hits, fresh.cache_stats().misses) == (1, 1, 0)
    # Each is a file of embeddings like any other.
    file = next(folder.rglob("*.safetensors"))
    assert torch.equal(llmdit.load_embeddings(file).embeddings[0], plain.embeddings[0])


def test_a_damaged_file_is_told_and_replaced(encoder, tmp_path):
    folder = tmp_path / "prompts"
    good = encoder(cache_folder=folder).encode("a cat").embeddings[0]
    file = next(folder.rglob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:50])
    fresh = encoder(cache_folder=folder)
    output = fresh.encode("a cat")
    assert torch.equal(output.embeddings[0], good)
    assert "encoded anew" in output.warnings[0] and file.name in output.warnings[0]
    assert (fresh.cache_stats().damaged, fresh.cache_stats().misses) == (1, 1)
    assert not encoder(cache_folder=folder).encode("a cat").warnings


def test_a_folder_that_cannot_be_written(encoder, tmp_path):
    (tmp_path / "file").write_text("")
    cached = encoder(cache_folder=tmp_path / "file")
    first, again = cached.encode("a cat"), cached.encode("a cat")
    assert "does not keep" in first.warnings[0] and str(tmp_path / "file") in first.warnings[0]
    assert torch.equal(first.embeddings[0], again.embeddings[0]) and cached.cache.stats().hits == 1


def test_a_machine_without_the_encoder(pipe, folders, model_copy, tmp_path):
    cache = tmp_path / "prompts"
    full = llmdit.ZImagePipeline.from_pretrained(folders("base"), cache_folder=cache)
    picture = full("a cat", **SMALL)
    folder = model_copy()
    shutil.rmtree(folder / "text_encoder")
    shutil.rmtree(folder / "tokenizer")
    light = llmdit.ZImagePipeline.from_pretrained(folder, text_encoder="none", cache_folder=cache)
    again = light("a cat", **SMALL)
    assert torch.equal(again.latents, picture.latents) and again.token_counts == picture.token_counts
    assert again.formatted_prompts == picture.formatted_prompts
    with pytest.raises(FileNotFoundError, match="no text encoder.*a dog"):
        light("a dog", **SMALL)
    # Of two encoders it does not choose.
    llmdit.ZImagePipeline.from_pretrained(folders("base"), dtype="bfloat16", cache_folder=cache).encode_prompt("a cat")
    with pytest.raises(ValueError, match="those of 2"):
        llmdit.ZImagePipeline.from_pretrained(folder, text_encoder="none", cache_folder=cache)
    named = cache / full.text_encoder.fingerprint()[:32]
    chosen = llmdit.ZImagePipeline.from_pretrained(folder, text_encoder="none", cache_folder=named)
    assert torch.equal(chosen("a cat", **SMALL).latents, picture.latents)
    with pytest.raises(FileNotFoundError, match="cache_folder"):
        llmdit.ZImagePipeline.from_pretrained(folder, text_encoder="none", cache_folder=tmp_path / "empty")


def test_pipelines_say_when_the_options_do_nothing(folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), cache_size=3)
    assert any("cache_size" in warning for warning in pipe("a cat", **SMALL).warnings)
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), text_encoder="none", enable_cache=True)
    embeds = [torch.randn(5, llmdit.ZImageTextEncoder.from_pretrained(folders("base") / "text_encoder").hidden_size)]
    assert any("a cache has no effect" in w for w in pipe(prompt_embeds=embeds, **SMALL).warnings)


def test_pictures_are_the_same_with_a_cache(pipe, folders):
    cached = llmdit.ZImagePipeline.from_pretrained(folders("base"), enable_cache=True, cache_size=7)
    options = {**SMALL, "guidance_scale": 1.5, "negative_prompt": "dull"}
    expected = pipe("a cat", **options)
    for _ in range(2):
        result = cached("a cat", **options)
        assert torch.equal(result.latents, expected.latents)
        assert result.token_counts == expected.token_counts
        assert result.formatted_prompts == expected.formatted_prompts
    stats = cached.text_encoder.cache_stats()
    assert (stats.hits, stats.misses, stats.max_size) == (2, 2, 7)


def test_one_cache_serves_many_threads(encoder, pipe):
    cached = encoder(cache_size=3)
    prompts = [f"prompt {i}" for i in range(6)]
    expected = {p: pipe.text_encoder.encode(p).embeddings[0] for p in prompts}
    wrong = []

    def work(offset):
        for i in range(18):
            prompt = prompts[(i * 5 + offset) % 6]
            if not torch.equal(cached.encode(prompt).embeddings[0], expected[prompt]):
                wrong.append(prompt)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = cached.cache_stats()
    assert not wrong and stats.current_size <= 3 and stats.hits + stats.misses == 4 * 18


def test_other_encoders_can_be_cached(pipe):
    cache = llmdit.EmbeddingCache()
    cached = llmdit.CachedTextEncoder(pipe.text_encoder, cache)
    first, second = cached.encode("a cat"), cached.encode("a cat")
    assert torch.equal(first.embeddings[0], second.embeddings[0]) and cache.stats().hits == 1
    assert cached.hidden_size == pipe.text_encoder.hidden_size
    assert cached.fingerprint() == pipe.text_encoder.fingerprint()


def test_the_command_keeps_prompts_in_a_folder(tmp_path):
    folder = tmp_path / "prompts"
    common = ["--seed", "7", "--cache-folder", folder, *command.FAST]
    first = command.generate(tmp_path, *common)
    assert len(list(folder.rglob("*.safetensors"))) == 1
    before = command.pixels(first)
    model = command.copy_of_demo_model(tmp_path / "model")
    shutil.rmtree(model / "text_encoder")
    again = command.generate(tmp_path, *common, "--no-text-encoder", "--model-path", model)
    assert command.pixels(again) == before and again["token_counts"] == first["token_counts"]
    done = command.llmdit("generate", "another", "--no-text-encoder", *map(str, common), cwd=tmp_path)
    assert done.returncode == command.NOT_FOUND and "another" in done.stderr
    assert json.loads(command.llmdit("encode", "a", "--embedding-cache", "--json").stdout)["load"]["enable_cache"]
