"""Writing about pictures, against transformers' generate on tiny random models."""

from typing import Any

import llmdit
import pytest
import tiny_vl_models
import torch
from test_vl_image import picture

GREEDY = {"temperature": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0}


def reference_ids(reference: Any, ids: list[int], image: torch.Tensor | None, name: str, count: int) -> list[int]:
    inputs = tiny_vl_models.reference_inputs(ids, image, name)
    written = reference.generate(**inputs, max_new_tokens=count, do_sample=False)
    return written[0, len(ids) :].tolist()


@pytest.mark.parametrize("size", [None, (1, 1), (64, 64), (40, 150), (200, 60)])
@pytest.mark.parametrize("name", list(tiny_vl_models.MODELS))
def test_greedy_ids_are_the_references(name: str, size: Any, vl_references: Any, vl_extractors: Any) -> None:
    extractor = vl_extractors(name)
    image = picture(*size) if size else None
    tokens = 0
    if size:
        grid = extractor.preprocess(image)[1]
        tokens = int(grid.prod()) // extractor.config.vision.spatial_merge_size**2
    prompt = extractor.format(tokens, "what is there", force_think_block=False)
    want = reference_ids(vl_references(name), extractor.tokenizer.encode(prompt), image, name, 24)
    got = extractor.generate(image, "what is there", max_new_tokens=24, **GREEDY)
    ended = got.finish_reason == "stop"
    assert got.token_ids + ([got.stop_id] if ended else []) == want
    assert got.prompt_tokens == len(extractor.tokenizer.encode(prompt))


def test_the_same_seed_writes_the_same(vl_extractors: Any) -> None:
    extractor = vl_extractors("base")
    wide = {"max_new_tokens": 12, "temperature": 30.0, "top_k": 0, "top_p": 1.0}  # random weights are sure of one token
    first, again, other = (extractor.generate(picture(64, 64), seed=seed, **wide) for seed in (5, 5, 6))
    assert first.token_ids == again.token_ids != other.token_ids and first.seed == 5


def test_the_system_prompt_and_tokens_arrive(vl_extractors: Any) -> None:
    extractor = vl_extractors("base")
    heard: list[str] = []
    plain = extractor.generate(picture(64, 64), "a", max_new_tokens=5, **GREEDY)
    told = extractor.generate(picture(64, 64), "a", system_prompt="Look.", max_new_tokens=5, **GREEDY,
                              on_token=lambda token: heard.append(token.text))  # fmt: skip
    assert told.prompt_tokens > plain.prompt_tokens and len(heard) == len(told.token_ids)
    stopped = extractor.generate(picture(64, 64), "a", max_new_tokens=5, **GREEDY, on_token=lambda token: True)
    assert stopped.finish_reason == "request" and len(stopped.token_ids) == 1


def test_bad_requests_are_refused(vl_extractors: Any) -> None:
    extractor = vl_extractors("base")
    for options in ({"max_new_tokens": 0}, {"max_new_tokens": 10**6}, {"temperature": -1}, {"top_p": 2}):
        with pytest.raises(ValueError, match="expected"):
            extractor.generate(picture(32, 32), **options)
    with pytest.raises(ValueError, match="expected a text without"):
        extractor.generate(picture(32, 32), "<|image_pad|>")
    with pytest.raises(TypeError):
        extractor.generate(5)
    with pytest.raises(ZeroDivisionError):
        extractor.generate(picture(32, 32), on_token=lambda token: 1 / 0)
    assert issubclass(llmdit.InvalidArgument, ValueError)


def test_a_rewriter_describes_a_picture(vl_extractors: Any) -> None:
    from llmdit import vl

    extractor = vl_extractors("base")
    backend = vl.VLChatBackend(extractor)
    assert backend.takes_images
    rewriter = llmdit.PromptRewriter(backend)
    image = llmdit.Image(picture(64, 64).permute(1, 2, 0).contiguous().numpy())
    answer = rewriter.rewrite("what is there", image=image, system_prompt="Look.", max_new_tokens=8, temperature=0.0,
                              presence_penalty=0.0, repetition_penalty=1.0)  # fmt: skip
    want = extractor.generate(image, "what is there", system_prompt="Look.", max_new_tokens=8, **GREEDY)
    assert answer.text == want.text and answer.prompt_tokens == want.prompt_tokens
