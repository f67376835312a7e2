"""Writing by the text encoder's model, against transformers' generate and its logits processors."""

import itertools
import json
import shutil
import threading

import llmdit
import pytest
import tiny_models
import torch
from parity import assert_close
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    Qwen3Config,
    Qwen3ForCausalLM,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

MODELS = list(tiny_models.MODELS)
GREEDY = {"temperature": 0.0, "repetition_penalty": 1.0}
PROMPT = llmdit.format_prompt("a red circle")


def reference_probabilities(logits, ids, *, temperature, top_k, top_p, min_p, repetition_penalty):
    chain = LogitsProcessorList()
    if repetition_penalty != 1.0:
        chain.append(RepetitionPenaltyLogitsProcessor(repetition_penalty))
    chain.append(TemperatureLogitsWarper(temperature))
    if top_k:
        chain.append(TopKLogitsWarper(top_k))
    if top_p < 1.0:
        chain.append(TopPLogitsWarper(top_p))
    if min_p > 0:
        chain.append(MinPLogitsWarper(min_p))
    return chain(torch.tensor([ids]), logits[None].clone())[0].softmax(-1)


def test_probabilities_are_those_of_the_reference_s_processors():
    generator = torch.Generator().manual_seed(0)
    ids = [3, 5, 5, 70, 199]
    grid = itertools.product((0.3, 1.0, 1.7), (0, 1, 20, 500), (0.0, 0.4, 0.95, 1.0), (0.0, 0.1, 1.0), (1.0, 1.3, 0.8))
    for temperature, top_k, top_p, min_p, penalty in grid:
        logits = 3 * torch.randn(200, generator=generator)
        options = {
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": penalty,
        }  # fmt: skip
        got = llmdit.sampling_probabilities(logits, prompt_ids=ids[:3], generated_ids=ids[3:], **options)
        want = reference_probabilities(logits, ids, **options)
        assert torch.equal(got == 0, want == 0), options
        assert_close("sampling probabilities", got, want, where=str(options))


def test_presence_penalty_counts_a_token_once():
    logits = torch.randn(50, generator=torch.Generator().manual_seed(1))
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
    changed = logits.clone()
    changed[[4, 9]] -= 1.5
    got = llmdit.sampling_probabilities(
        logits, prompt_ids=[1, 2], generated_ids=[4, 9, 9, 4, 9], presence_penalty=1.5, **plain
    )
    assert_close("presence penalty", got, changed.softmax(-1))


def test_ties_rows_and_types():
    rows = torch.tensor([[1.0, 2.0, 2.0, 0.0], [-float("inf"), 0.0, 5.0, 5.0]])
    got = llmdit.sampling_probabilities(rows, temperature=1.0, top_k=1, top_p=1.0)
    assert torch.equal(got, torch.tensor([[0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5]]))  # what equals the last kept stays
    best = llmdit.sampling_probabilities(rows, temperature=0)
    assert torch.equal(best, torch.tensor([[0.0, 1, 0, 0], [0, 0, 1, 0]]))
    half = llmdit.sampling_probabilities(rows.bfloat16()[0], temperature=1.0, top_k=0, top_p=1.0)
    assert half.dtype == torch.float32 and torch.equal(half, rows[0].softmax(-1))
    strided = torch.stack([rows[0], rows[0]], 1)[:, 0]
    assert torch.equal(llmdit.sampling_probabilities(strided), llmdit.sampling_probabilities(rows[0]))
    assert torch.equal(rows[0], torch.tensor([1.0, 2.0, 2.0, 0.0]))  # the caller's stays as it is


@pytest.mark.parametrize(
    ("logits", "options"),
    [
        (torch.tensor([float("nan"), 1]), {}),
        (torch.tensor([float("inf"), 1]), {}),
        (torch.full((4,), -float("inf")), {}),
        (torch.zeros(0), {}),
        (torch.zeros(()), {}),
        (torch.zeros(1, 2, 3), {}),
        (torch.zeros(4, dtype=torch.int64), {}),
        (torch.zeros(4), {"temperature": -1}),
        (torch.zeros(4), {"temperature": 1e-6}),
        (torch.zeros(4), {"temperature": float("nan")}),
        (torch.zeros(4), {"top_k": -1}),
        (torch.zeros(4), {"top_p": 1.5}),
        (torch.zeros(4), {"min_p": 2}),
        (torch.zeros(4), {"repetition_penalty": 0}),
        (torch.zeros(4), {"repetition_penalty": 2, "prompt_ids": [4]}),
        (torch.zeros(4), {"presence_penalty": 2, "generated_ids": [-1]}),
        (torch.full((4,), 3e38), {"temperature": 0.01}),
    ],
)
def test_scores_and_options_that_make_no_sense(logits, options):
    with pytest.raises(llmdit.InvalidArgument):
        llmdit.sampling_probabilities(logits, **options)


def reference_text(model, ids, count, stop_ids, **options):
    out = model.generate(
        torch.tensor([ids]), do_sample=False, max_new_tokens=count, eos_token_id=stop_ids, pad_token_id=0, **options
    )
    return out[0, len(ids) :].tolist()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("penalty", [1.0, 1.4])
def test_greedy_text_is_the_reference_s_token_for_token(model, penalty, references, pipelines):
    encoder = pipelines(model).text_encoder
    for prompt in (PROMPT, "x", llmdit.format_prompt("ein Kätzchen 🐈", system_prompt="Paint.")):
        ids = encoder.tokenizer.encode(prompt)
        want = reference_text(references(model).text_encoder, ids, 40, encoder.stop_ids, repetition_penalty=penalty)
        got = encoder.generate(prompt, temperature=0, repetition_penalty=penalty, max_new_tokens=40)
        written = got.token_ids + ([] if got.stop_id is None else [got.stop_id])
        assert written == want
        assert got.prompt_tokens == len(ids)
        assert got.finish_reason == ("length" if got.stop_id is None else "stop")
        assert got.text == encoder.tokenizer.decode(got.token_ids, skip_special_tokens=True)


def test_a_head_of_its_own(tmp_path, folders):
    config = {**tiny_models.MODELS["base"].text_encoder, "tie_word_embeddings": False}
    model = Qwen3ForCausalLM(Qwen3Config(**config))
    tiny_models.randomize(model, 5)
    model.eval().save_pretrained(tmp_path)
    encoder = llmdit.ZImageTextEncoder.from_pretrained(tmp_path, tokenizer_path=folders("base") / "tokenizer")
    ids = encoder.tokenizer.encode(PROMPT)
    got = encoder.generate(PROMPT, temperature=0, max_new_tokens=12)
    assert got.token_ids == reference_text(model, ids, 12, [767])
    assert encoder.unused_weights == [] and not encoder.config.tie_word_embeddings
    # A model that was saved without its head encodes, and says why it cannot write.
    model.model.save_pretrained(tmp_path / "headless")
    headless = llmdit.ZImageTextEncoder.from_pretrained(
        tmp_path / "headless", tokenizer_path=folders("base") / "tokenizer"
    )
    assert torch.equal(headless.encode(PROMPT).embeddings[0], encoder.encode(PROMPT).embeddings[0])
    with pytest.raises(llmdit.Unsupported, match="lm_head"):
        headless.generate(PROMPT)


def test_a_seed_is_a_text(pipe):
    def write(seed):
        return pipe.text_encoder.generate(PROMPT, seed=seed, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=16)

    assert write(3).token_ids == write(3).token_ids != write(4).token_ids
    drawn = write(None)
    assert write(drawn.seed).token_ids == drawn.token_ids
    alone = [write(seed).token_ids for seed in range(4)]
    together = [None] * 4

    def work(seed):
        together[seed] = write(seed).token_ids

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_tokens_are_drawn_by_their_probabilities(pipe):
    encoder = pipe.text_encoder
    ids = encoder.tokenizer.encode(PROMPT)
    logits = encoder.hidden_states(ids, -1)[-1] @ encoder.state_dict()["embed_tokens.weight"].T
    options = {"temperature": 10.0, "top_k": 3, "top_p": 1.0}
    probabilities = llmdit.sampling_probabilities(logits, **options)
    counts = torch.zeros(len(probabilities))
    runs = 200
    for seed in range(runs):
        done = encoder.generate(PROMPT, seed=seed, max_new_tokens=1, **options)
        counts[done.token_ids[0] if done.token_ids else done.stop_id] += 1
    assert (counts / runs - probabilities).abs().max() < 0.15
    assert (probabilities[counts > 0] > 0).all() and (counts > 0).sum() > 1


def test_pieces_are_whole_characters_and_make_the_text(pipe):
    for seed in range(8):
        pieces = []
        done = pipe.text_encoder.generate(
            PROMPT,
            seed=seed,
            temperature=2.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=60,
            on_token=pieces.append,
        )
        assert [piece.id for piece in pieces] == done.token_ids
        assert [piece.step for piece in pieces] == list(range(len(pieces)))
        joined = "".join(piece.text for piece in pieces)
        assert done.text.startswith(joined) and set(done.text[len(joined) :]) <= {"\ufffd"}


def test_a_callback_ends_the_text_or_raises(pipe):
    written = pipe.text_encoder.generate(PROMPT, temperature=0, max_new_tokens=8, stop_ids=[]).token_ids
    done = pipe.text_encoder.generate(PROMPT, temperature=0, on_token=lambda token: token.step == 2)
    assert done.finish_reason == "request" and done.token_ids == written[:3]

    class Own(Exception):
        pass

    def fails(token):
        raise Own(token.id)

    with pytest.raises(Own):
        pipe.text_encoder.generate(PROMPT, temperature=0, on_token=fails)
    with pytest.raises(TypeError, match="on_token"):
        pipe.text_encoder.generate(PROMPT, on_token=lambda token: "yes")
    with pytest.raises(TypeError, match="on_token"):
        pipe.text_encoder.generate(PROMPT, on_token=5)


def test_ids_that_end_a_text(pipe):
    written = pipe.text_encoder.generate(PROMPT, temperature=0, max_new_tokens=8).token_ids
    done = pipe.text_encoder.generate(PROMPT, temperature=0, stop_ids=[written[4]])
    assert done.finish_reason == "stop" and done.stop_id == written[4]
    assert done.token_ids == written[: written.index(written[4])]
    tokenizer = pipe.tokenizer
    assert {tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")} <= set(
        pipe.text_encoder.stop_ids
    )


@pytest.mark.parametrize(("eos", "more"), [(11, {11}), ([12, 13], {12, 13}), (None, set())])
def test_stop_ids_of_the_configurations(model_copy, eos, more):
    folder = model_copy() / "text_encoder"
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": eos}))
    encoder = llmdit.ZImageTextEncoder.from_pretrained(folder)
    named = {encoder.tokenizer.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")}
    assert set(encoder.stop_ids) == named | more


def test_the_tokenizer_s_own_end(model_copy):
    folder = model_copy()
    (folder / "text_encoder/generation_config.json").unlink(missing_ok=True)
    config = folder / "tokenizer/tokenizer_config.json"
    content = json.loads(config.read_text())
    token = "<|im_start|>"
    config.write_text(json.dumps({**content, "eos_token": {"content": token}}))
    encoder = llmdit.ZImageTextEncoder.from_pretrained(folder, subfolder="text_encoder")
    assert encoder.tokenizer.token_to_id(token) in encoder.stop_ids


@pytest.mark.parametrize("broken", ['{"eos_token_id": "x"}', "{", '{"eos_token_id": [1, "y"]}'])
def test_a_damaged_generation_config(model_copy, broken):
    folder = model_copy() / "text_encoder"
    (folder / "generation_config.json").write_text(broken)
    encoder = llmdit.ZImageTextEncoder.from_pretrained(folder)
    assert encoder.encode(PROMPT).embeddings[0].isfinite().all()  # which has no use for the file
    for ask in (lambda: encoder.stop_ids, lambda: encoder.generate(PROMPT, max_new_tokens=1)):
        with pytest.raises(llmdit.Unsupported, match="generation_config.json"):
            ask()


@pytest.mark.parametrize(
    ("text", "options", "error"),
    [
        ("", {}, llmdit.InvalidArgument),
        ("a", {"max_new_tokens": 0}, llmdit.InvalidArgument),
        ("a", {"max_new_tokens": 2048}, llmdit.InvalidArgument),
        ("a " * 3000, {}, llmdit.InvalidArgument),
        ("a", {"temperature": -1}, llmdit.InvalidArgument),
        ("a", {"seed": -1}, llmdit.InvalidArgument),
        ("a", {"temperatur": 1}, TypeError),
        ("a", {"stop_ids": ["x"]}, TypeError),
        (5, {}, TypeError),
    ],
)
def test_requests_that_cannot_be_met(pipe, text, options, error):
    with pytest.raises(error):
        pipe.text_encoder.generate(text, **options)


@pytest.mark.parametrize("quantization", ["none", "int8", "int4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_was_written_is_what_a_pass_over_all_of_it_would_choose(folders, dtype, quantization):
    """One row after the other from the cache, and all rows at once: the same model, however its weights are kept."""
    encoder = llmdit.ZImageTextEncoder.from_pretrained(
        folders("base", dtype), subfolder="text_encoder", quantization=quantization
    )
    done = encoder.generate(PROMPT, temperature=0, max_new_tokens=24)
    ids = encoder.tokenizer.encode(PROMPT) + done.token_ids
    states = encoder.hidden_states(ids, -1)
    scores = states @ encoder.state_dict()["embed_tokens.weight"].float().T
    first = done.prompt_tokens - 1
    for step, token in enumerate(done.token_ids):
        row = scores[first + step]
        assert row.max() - row[token] <= 2e-4 * row.abs().max()


def test_the_tokenizer_moves_with_the_copy(folders, tmp_path):
    """A folder that holds model and tokenizer together, as Qwen publishes them."""
    shutil.copytree(folders("base") / "text_encoder", tmp_path / "qwen")
    shutil.copytree(folders("base") / "tokenizer", tmp_path / "qwen", dirs_exist_ok=True)
    encoder = llmdit.ZImageTextEncoder.from_pretrained(tmp_path / "qwen")
    assert encoder.generate(PROMPT, temperature=0, max_new_tokens=3).token_ids
