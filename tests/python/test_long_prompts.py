"""Prompts that are longer than the transformer's limit."""

import re

import llmdit
import pytest
import tiny_models
import torch
from command import DEMO_MODEL, FAST, generate, pixels
from command import llmdit as run
from diffusers import ZImageTransformer2DModel
from parity import assert_close
from reference import draw

SENTENCES = [
    "a red circle on a white background. ",
    "Beside it two blue stars! ",
    "Is there a ring above them? ",
    "The ring is yellow; ",
    "below it stands a small green square.\n",
]
LIMIT = 672  # of the tiny models: axes_lens[0] is 704
OPTIONS = {"seed": 1, "num_inference_steps": 1, "output_type": "latent", "width": 32, "height": 32}
MODES = ["truncate", "interpolate", "pool", "attention_pool"]


def prompt_of(pipe, tokens):
    """A text whose chat text has at least so many tokens."""
    text = ""
    while len(pipe.tokenizer.encode(llmdit.format_prompt(text))) < tokens:
        text += "".join(SENTENCES)
    return text


def test_the_policy_is_the_bound_of_the_published_axes(pipe):
    derived = (1536 - 2) // llmdit.SEQ_MULTI_OF * llmdit.SEQ_MULTI_OF
    assert llmdit.MAX_TEXT_SEQ_LEN == derived == 1504
    assert pipe.transformer.max_caption_len == LIMIT


@pytest.mark.parametrize("mode", MODES)
def test_a_long_prompt_is_compressed_and_the_result_says_so(pipe, mode):
    prompt = prompt_of(pipe, 900)
    result = pipe(prompt, long_prompt_mode=mode, **OPTIONS)
    rows = pipe.encode_prompt(prompt).embeddings[0]
    tokens = len(rows)
    assert (result.token_counts, result.caption_lengths) == ([tokens], [LIMIT])
    assert result.compression_ratios == [tokens / LIMIT]
    loss = llmdit.estimate_quality_loss(tokens, LIMIT, mode)
    assert len(result.warnings) == 1
    assert f"the prompt has {tokens} tokens and the transformer takes {LIMIT}" in result.warnings[0]
    assert f"ratio {tokens / LIMIT:.2f}, expected loss of quality {loss}" in result.warnings[0]
    if mode == "truncate":
        assert f"the last {tokens - LIMIT} lost" in result.warnings[0]
    small = llmdit.compress_embeddings(rows, LIMIT, mode)
    assert torch.equal(pipe(prompt_embeds=[small], **OPTIONS).latents, result.latents)
    # Embeddings of the caller are compressed likewise, with the same words.
    given = pipe(prompt_embeds=[rows], long_prompt_mode=llmdit.LongPromptMode[mode], **OPTIONS)
    assert torch.equal(given.latents, result.latents) and given.warnings == result.warnings


def test_the_default_interpolates(pipe):
    prompt = prompt_of(pipe, 700)
    result = pipe(prompt, **OPTIONS)
    assert "interpolated" in result.warnings[0]
    assert torch.equal(result.latents, pipe(prompt, long_prompt_mode="interpolate", **OPTIONS).latents)


@pytest.mark.parametrize("mode", [*MODES, "extrapolate", "segments"])
def test_the_limit_itself_is_no_long_prompt(pipe, mode):
    rows = draw(1, LIMIT, 48)
    fits = pipe(prompt_embeds=[rows], long_prompt_mode=mode, **OPTIONS)
    assert fits.warnings == [] and fits.caption_lengths == [LIMIT] and fits.compression_ratios == [1.0]
    longer = pipe(prompt_embeds=[draw(1, LIMIT + 1, 48)], long_prompt_mode=mode, **OPTIONS)
    assert len(longer.warnings) == 1
    assert longer.caption_lengths == [LIMIT + 1 if mode == "extrapolate" else LIMIT]


def test_a_limit_of_the_caller(pipe):
    result = pipe("a red circle on a white background", max_text_tokens=5, **OPTIONS)
    assert result.caption_lengths == [5] and result.token_counts[0] > 5
    assert "the transformer takes 5" in result.warnings[0]
    assert pipe("a red circle", max_text_tokens=LIMIT, **OPTIONS).warnings == []
    with pytest.raises(llmdit.InvalidArgument, match=f"max_text_tokens.*at most {LIMIT}.*got {LIMIT + 1}"):
        pipe("a red circle", max_text_tokens=LIMIT + 1, **OPTIONS)
    with pytest.raises(llmdit.InvalidArgument, match="max_text_tokens"):
        pipe("a red circle", max_text_tokens=0, **OPTIONS)
    useless = pipe("a red circle", max_text_tokens=2000, long_prompt_mode="extrapolate", **OPTIONS)
    assert useless.warnings == ["max_text_tokens has no effect while long_prompt_mode is extrapolate"]


def test_each_prompt_of_a_batch_and_the_negative_by_themselves(pipe):
    long, short = prompt_of(pipe, 700), "a red circle"
    both = pipe([short, long], long_prompt_mode="pool", negative_prompt=long, guidance_scale=1.5, **OPTIONS)
    assert both.caption_lengths[1] == LIMIT and both.caption_lengths[0] == both.token_counts[0]
    assert [warning.split(" has ")[0] for warning in both.warnings] == ["prompt 2", "the negative prompt"]
    listed = pipe([short, long], long_prompt_mode="pool", negative_prompt=[long, long], guidance_scale=1.5, **OPTIONS)
    # What prompts of a list begin with alike is encoded once.
    assert_close("a list of long negative prompts", listed.latents, both.latents)


def test_extrapolation_is_a_longer_table(references, pipelines, folders, tmp_path):
    """The reference with a longer table, and ours past the end of its own, give the same numbers."""
    pipe = pipelines("base")
    longer = ZImageTransformer2DModel(**{**tiny_models.MODELS["base"].transformer, "axes_lens": [1100, 64, 64]})
    longer.load_state_dict(references("base").transformer.state_dict())
    for tokens in (LIMIT + 1, 1000):
        caption, latents, t = draw(tokens, tokens, 48), draw(2, 16, 1, 4, 6), torch.tensor([0.4])
        want = longer.eval()([latents], t, [caption], return_dict=False)[0]
        ready = pipe.transformer.condition([caption], extrapolate=True)
        assert_close("extrapolated caption", pipe.transformer([latents], 0.4, ready)[0], want[0], where=f"{tokens}")
        with pytest.raises(llmdit.InvalidArgument, match=f"expected 1 to {LIMIT} caption tokens, got {tokens}"):
            pipe.transformer.condition([caption])
    result = pipe(prompt_embeds=[caption], long_prompt_mode="extrapolate", **OPTIONS)
    assert "extrapolated to positions" in result.warnings[0] and result.caption_lengths == [1000]


def test_segments_see_each_group_alone(pipe):
    prompt = prompt_of(pipe, 400)
    result = pipe(prompt, long_prompt_mode="segments", max_text_tokens=100, **OPTIONS)
    assert re.search("encoded in [56] segments of up to 100 tokens", result.warnings[0])
    assert "interpolated" in result.warnings[1] and result.caption_lengths == [100]
    assert result.token_counts == [len(pipe.tokenizer.encode(llmdit.format_prompt(prompt)))]


def test_segments_join_what_the_groups_encode(pipe):
    """Two sentences of one length each: the joined rows are those of the chat texts without the inner frame."""
    first, second = "a red circle on a white background.", "beside it two small blue stars on green."
    system = {"system_prompt": "Paint."}
    texts = [llmdit.format_prompt(text, **system) for text in (first, second)]
    ids = [pipe.tokenizer.encode(text) for text in texts]
    rows = pipe.text_encoder.encode(texts).embeddings
    frame = pipe.tokenizer.encode(llmdit.format_prompt("", **system))
    head = next(i for i, (a, b) in enumerate(zip(ids[0], frame, strict=False)) if a != b)
    tail = len(frame) - head
    joined = torch.cat([rows[0][: len(ids[0]) - tail], rows[1][head:]])
    limit = max(map(len, ids)) + 1
    got = pipe(f"{first}  {second}", long_prompt_mode="segments", max_text_tokens=limit, **system, **OPTIONS)
    assert f"encoded in 2 segments of up to {limit} tokens, which join to {len(joined)} rows" in got.warnings[0]
    want = pipe(prompt_embeds=[joined], max_text_tokens=limit, **OPTIONS)
    assert_close("segments", got.latents, want.latents)
    assert got.compression_ratios == pytest.approx([len(joined) / limit])


@pytest.mark.parametrize(
    "text",
    [
        "word " * 300,  # no sentence ends
        "tag, other tag, " * 120,
        "x" * 900,  # no blanks
        "小猫在墙上。狗在花园里！" * 40,  # no blanks between sentences
        "line\n" * 300,
        "   " * 300 + "a cat" + "\n\n" * 100,
        "3.14 is no end of a sentence, nor is e.g. this " * 30,
        "🐈" * 200,
    ],
)
def test_any_text_can_be_cut_into_segments(pipe, text):
    result = pipe(text, long_prompt_mode="segments", max_text_tokens=64, **OPTIONS)
    assert result.caption_lengths == [64]
    assert "segments of up to 64 tokens" in result.warnings[0] or "blank" in result.warnings[0]
    assert torch.isfinite(result.latents).all()


def test_segments_have_their_limits(pipe):
    prompt = prompt_of(pipe, 400)
    with pytest.raises(llmdit.InvalidArgument, match="leave room within 40 tokens"):
        pipe(prompt, long_prompt_mode="segments", max_text_tokens=40, system_prompt=prompt, **OPTIONS)
    with pytest.raises(llmdit.InvalidArgument, match="no layer_spans"):
        pipe(prompt, long_prompt_mode="segments", max_text_tokens=40, layer_spans="1:3=-1:1", **OPTIONS)
    # A text past the encoder's own positions has a place in segments alone.
    endless = prompt_of(pipe, 2100)
    with pytest.raises(llmdit.InvalidArgument, match="2048"):
        pipe(endless, **OPTIONS)
    assert pipe(endless, long_prompt_mode="segments", **OPTIONS).caption_lengths == [LIMIT]


@pytest.mark.parametrize("embeds", [torch.full((700, 48), float("nan")), torch.zeros(700, 48, dtype=torch.int64)])
def test_embeddings_that_cannot_be_compressed(pipe, embeds):
    with pytest.raises(llmdit.InvalidArgument):
        pipe(prompt_embeds=[embeds], **OPTIONS)


def test_the_command_tells_what_it_did(tmp_path):
    prompt = " ".join(SENTENCES) * 60
    arguments = ["--seed", 7, *FAST, "--long-prompt-mode"]
    documents = {mode: generate(tmp_path, *arguments, mode, prompt=prompt) for mode in [*MODES, "segments"]}
    pictures = {mode: pixels(generate(tmp_path, *arguments, mode, prompt=prompt)) for mode in MODES}
    assert len(set(pictures.values())) == 4
    for mode, document in documents.items():
        assert document["token_counts"][0] > 992 == document["caption_lengths"][0]
        assert document["compression_ratios"][0] > 1
        assert document["settings"]["long_prompt_mode"] == mode and document["warnings"]
    done = run("generate", prompt, *FAST, "-o", tmp_path / "p.png", cwd=tmp_path)
    assert "tokens and the transformer takes 992: interpolated" in done.stderr
    assert llmdit.read_picture_settings(tmp_path / "p.png").options.long_prompt_mode == "interpolate"
    assert llmdit.max_caption_len(llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL).transformer.config) == 992
