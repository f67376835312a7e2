"""What holds weights or a server lets go of them at the end of a with-block, at once and for all who share them."""

import gc

import chat_server
import llmdit
import pytest
import torch
from llmdit import vl
from memory_in_use import bytes_in_use, resident

SMALL = {"width": 32, "height": 32, "num_inference_steps": 2, "seed": 5}
CLOSED = "was closed; load it again"


def text_encoder(folder, **options):
    return llmdit.ZImageTextEncoder.from_pretrained(folder / "text_encoder", **options)


def transformer(folder, **options):
    return llmdit.ZImageTransformer.from_pretrained(folder / "transformer", **options)


def vae(folder, **options):
    return llmdit.AutoencoderKL.from_pretrained(folder / "vae", **options)


MODELS = {
    text_encoder: lambda model: model.hidden_states([1, 2, 3], -1),
    transformer: lambda model: model(torch.zeros(1, 16, 4, 4), 0.5, [torch.ones(5, 48)]),
    vae: lambda model: model.decode(torch.zeros(1, 16, 4, 4)),
}
of_each_model = pytest.mark.parametrize("load", MODELS, ids=lambda load: load.__name__)


@of_each_model
def test_mapped_weights_leave_memory(load, model_copy):
    folder = model_copy()
    model = load(folder)
    MODELS[load](model)
    before = resident(folder)
    model.close()
    assert resident(folder) < 0.1 * before  # the headers


@of_each_model
def test_copied_weights_leave_memory(load, folders):
    use = MODELS[load]
    use(load(folders("base"), dtype="bfloat16"))  # what the first call alone keeps
    weights = sum(path.stat().st_size for path in (folders("base") / load.__name__).glob("*.safetensors")) / 2
    before = bytes_in_use()
    with load(folders("base"), dtype="bfloat16") as model:
        want = use(model)
        held = bytes_in_use()
        assert held - before > 0.8 * weights
    assert held - bytes_in_use() > 0.8 * weights  # what stays is a tokenizer
    assert torch.equal(use(load(folders("base"), dtype="bfloat16")), want)


@of_each_model
def test_use_after_close(load, folders):
    model = load(folders("base"))
    model.close()
    model.close()
    for use in (
        MODELS[load],
        lambda model: model.state_dict() if hasattr(model, "state_dict") else MODELS[load](model),
    ):
        with pytest.raises(llmdit.InvalidArgument, match=CLOSED):
            use(model)
    assert repr(model) == f"<llmdit.{type(model).__name__} closed>"
    assert model.config and model.unused_weights == []


def test_a_call_that_runs_keeps_the_weights(folders):
    encoder, text = text_encoder(folders("base")), llmdit.format_prompt("a cat")
    want = encoder.generate(text, max_new_tokens=5, seed=1)
    got = encoder.generate(text, max_new_tokens=5, seed=1, on_token=lambda token: encoder.close())
    assert got.token_ids == want.token_ids
    with pytest.raises(llmdit.InvalidArgument, match=CLOSED):
        encoder.encode(text)


@pytest.mark.parametrize("options", [{}, {"max_memory": "1GB"}], ids=["for good", "in turns"])
def test_parts_of_a_pipeline(options, folders):
    """After the prompts are encoded the encoder may go, as a call without the autoencoder needs none."""
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), **options)
    want = pipe("a cat", **SMALL).latents
    rows = pipe.encode_prompt("a cat")
    pipe.text_encoder.close()
    assert torch.equal(pipe(prompt_embeds=rows, **SMALL).latents, want)
    with pytest.raises(llmdit.InvalidArgument, match=CLOSED):
        pipe("a cat", **SMALL)
    pipe.vae.close()
    assert torch.equal(pipe(prompt_embeds=rows, output_type="latent", **SMALL).latents, want)
    steps = []
    with pytest.raises(llmdit.InvalidArgument, match="its autoencoder, which was closed"):
        pipe(prompt_embeds=rows, on_step=lambda info: steps.append(info.step), **SMALL)
    pipe.transformer.close()
    with pytest.raises(llmdit.InvalidArgument, match="its transformer, which was closed"):
        pipe(prompt_embeds=rows, output_type="latent", **SMALL)
    assert steps == []
    for part in ("ZImageTextEncoder", "ZImageTransformer", "AutoencoderKL"):
        assert f"<llmdit.{part} closed>" in repr(pipe)


def test_a_pipeline_in_turns_gives_its_memory_back(model_copy):
    folder = model_copy()
    pipe = llmdit.ZImagePipeline.from_pretrained(folder, max_memory="1GB")
    pipe("a cat", **SMALL)
    before = resident(folder)
    for part in (pipe.text_encoder, pipe.transformer, pipe.vae):
        part.close()
    assert resident(folder) < 0.1 * before


def test_the_tiled_autoencoder_closes_the_one_inside(folders):
    with llmdit.TiledVAEDecoder(vae(folders("base"))) as tiled:
        inside = tiled.vae
    with pytest.raises(llmdit.InvalidArgument, match=CLOSED):
        inside.decode(torch.zeros(1, 16, 4, 4))


def test_the_reader_of_pictures(vl_folders):
    with vl.VLEmbeddingExtractor.from_pretrained(vl_folders("base")) as extractor:
        chat = vl.VLChatBackend(extractor)
        ids = extractor.tokenizer.encode("a cat")
        extractor.hidden_states(ids, None, [1])
    extractor.close()
    with pytest.raises(llmdit.InvalidArgument, match=CLOSED):
        extractor.hidden_states(ids, None, [1])
    with pytest.raises(llmdit.InvalidArgument, match=CLOSED):
        llmdit.PromptRewriter(chat).rewrite("a cat", system_prompt="Write.")


def test_a_cache(pipe):
    row = pipe.encode_prompt("a cat")
    with llmdit.EmbeddingCache() as cache:
        encoder = llmdit.CachedTextEncoder(pipe.text_encoder, cache)
        encoder.encode("a cat")
        assert encoder.cache_stats().misses == 1 and len(encoder.cache) == 1
        assert cache.stats().current_bytes > 0
    cache.close()
    assert cache.stats().current_bytes == 0
    for use in (lambda: cache.get("a"), lambda: cache.put("a", row), lambda: encoder.encode("a cat")):
        with pytest.raises(llmdit.InvalidArgument, match="closed"):
            use()


def test_encoders_that_pass_on(pipe, server, folders):
    cached = llmdit.CachedTextEncoder(pipe.text_encoder, llmdit.EmbeddingCache())
    distant = llmdit.RemoteTextEncoder(server.url, api_key="secret", model_path=folders("base"))
    for encoder in (cached, distant):
        light = llmdit.ZImagePipeline.from_pretrained(folders("base"), text_encoder=encoder)
        with encoder:
            want = light("a cat", **SMALL).latents
        assert torch.equal(want, pipe("a cat", **SMALL).latents)
        encoder.close()
        for use in (lambda e=encoder: e.encode("a cat"), lambda p=light: p("a cat", **SMALL)):
            with pytest.raises(llmdit.InvalidArgument, match=f"{type(encoder).__name__}. it is closed"):
                use()
        assert repr(encoder) == f"<llmdit.{type(encoder).__name__} closed>"
    assert pipe.text_encoder.encode("a cat").embeddings  # what was only passed on to is as it was


def test_what_only_others_have_is_told(pipe, server, folders):
    cached = llmdit.CachedTextEncoder(pipe.text_encoder, llmdit.EmbeddingCache())
    distant = llmdit.RemoteTextEncoder(server.url, api_key="secret", model_path=folders("base"))
    for encoder in (cached, distant):
        with pytest.raises(AttributeError, match="'hidden_states': only a model that is loaded here has it"):
            encoder.hidden_states([1], 1)
        assert not hasattr(encoder, "state_dict")
        with pytest.raises(AttributeError, match="no attribute 'nonsense'$"):
            encoder.nonsense  # noqa: B018
    with pytest.raises(AttributeError, match="cache_stats"):
        distant.cache_stats()


def test_a_pipeline_s_cached_encoder_is_one(pipe, server, folders):
    distant = llmdit.RemoteTextEncoder(server.url, api="llmdit", api_key="secret", model_path=folders("base"))
    light = llmdit.ZImagePipeline.from_pretrained(folders("base"), text_encoder=distant, enable_cache=True)
    for _ in range(2):
        light.encode_prompt("a cat")
    assert isinstance(light.encoder, llmdit.CachedTextEncoder) and light.encoder.cache_stats().hits == 1


def test_rewriters_and_their_models(folders):
    ask = {"system_prompt": "Write.", "max_new_tokens": 3, "seed": 1, "enable_thinking": False}
    backend = llmdit.LocalChatBackend(text_encoder(folders("base")))
    with chat_server.ChatServer() as there, llmdit.RemoteChatBackend(there.url) as distant:
        assert llmdit.PromptRewriter(distant).rewrite("a cat", **ask).prompt
    for closed in (backend, distant):
        closed.close()
        with pytest.raises(llmdit.InvalidArgument, match=f"{type(closed).__name__}. it is closed"):
            llmdit.PromptRewriter(closed).rewrite("a cat", **ask)
        assert "closed" in repr(closed)


def test_a_rewriter_lets_go_of_its_model(folders):
    def rewriter():
        return llmdit.PromptRewriter(text_encoder(folders("base"), dtype="bfloat16"))

    rewriter()
    gc.collect()
    before = bytes_in_use()
    with rewriter() as held:
        assert held.rewriters
        weights = bytes_in_use() - before
    assert weights > 200_000 and bytes_in_use() - before < 0.15 * weights
    for use in (lambda: held.rewrite("a cat"), lambda: held.rewriters):
        with pytest.raises(llmdit.InvalidArgument, match="PromptRewriter. it is closed"):
            use()
    assert repr(held) == "<llmdit.PromptRewriter closed>"
