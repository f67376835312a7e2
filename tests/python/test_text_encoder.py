"""The text encoder against transformers' Qwen3."""

import llmdit
import pytest
import tiny_models
import torch
from parity import assert_close

MODELS = list(tiny_models.MODELS)
TEXTS = [
    "a red circle",
    "",
    "ein Kätzchen, 小猫, кот 🐈",
    "one prompt that is long enough to have many more tokens than the others: "
    + "a small blue star above a ring, " * 6,
]


def reference_states(reference, text: str) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    ids = reference.tokenizer(llmdit.format_prompt(text), return_tensors="pt").input_ids
    return ids[0], reference.text_encoder(input_ids=ids, output_hidden_states=True).hidden_states


@pytest.mark.parametrize("model", MODELS)
def test_hidden_states_of_every_layer(model, references, pipelines):
    encoder = pipelines(model).text_encoder
    layers = encoder.config.num_hidden_layers
    for text in TEXTS:
        ids, states = reference_states(references(model), text)
        assert len(states) == layers + 1
        for layer in range(-layers - 1, layers + 1):
            got = encoder.hidden_states(ids, layer)
            assert got.dtype == torch.float32
            assert_close(
                "text encoder hidden states", got, states[layer][0], where=f"{model}, layer {layer}, {len(ids)} tokens"
            )


@pytest.mark.parametrize("model", MODELS)
def test_encode_is_what_the_reference_pipeline_encodes(model, references, pipelines):
    pipe = pipelines(model)
    prompts = ["a red circle", "", "a blue square left of a ring, on green"]
    want, _ = references(model).encode_prompt(list(prompts), do_classifier_free_guidance=False, max_sequence_length=64)
    got = pipe.encode_prompt(prompts)
    assert got.token_counts == [len(rows) for rows in want]
    assert got.formatted_prompts == [llmdit.format_prompt(prompt) for prompt in prompts]
    for ours, theirs in zip(got.embeddings, want):
        assert_close("prompt embeddings", ours, theirs, where=model)
    alone = pipe.text_encoder.encode(got.formatted_prompts[0])
    assert torch.equal(alone.embeddings[0], got.embeddings[0])


def test_a_text_is_encoded_alike_alone_and_in_company(pipe):
    texts = [llmdit.format_prompt(text) for text in TEXTS]
    together = pipe.text_encoder.encode(texts).embeddings
    for text, rows in zip(texts, together):
        assert torch.equal(pipe.text_encoder.encode(text).embeddings[0], rows)


SYSTEM = "You turn short ideas into long descriptions of pictures. Name the subject, the light and the style. "


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("layer", [0, 1, -2, -1])
def test_texts_that_begin_alike_are_encoded_as_if_each_were_alone(model, layer, references, pipelines):
    encoder = pipelines(model).text_encoder
    subjects = ["a red circle", "", "a blue square, " * 90, "ein Kätzchen", "a red circle"]
    texts = [llmdit.format_prompt(subject, system_prompt=SYSTEM * 2) for subject in subjects]
    together = encoder.encode(texts, hidden_layer=layer)
    for text, rows, count in zip(texts, together.embeddings, together.token_counts):
        alone = encoder.encode(text, hidden_layer=layer)
        assert alone.token_counts == [count] == [len(rows)]
        assert_close("shared beginnings", rows, alone.embeddings[0], where=f"{model}, layer {layer}, {count} tokens")
        ids = torch.tensor([encoder.tokenizer.encode(text)])
        states = references(model).text_encoder(input_ids=ids, output_hidden_states=True).hidden_states
        assert_close("shared beginnings, reference", rows, states[layer][0], where=f"{model}, layer {layer}")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_text_that_is_the_beginning_of_the_others(pipe, count):
    """The shared part leaves each text a token of its own."""
    base = llmdit.format_prompt(SYSTEM)
    texts = [base] * count + [base + "more", base]
    for text, rows in zip(texts, pipe.text_encoder.encode(texts).embeddings):
        assert_close("shared beginnings", rows, pipe.text_encoder.encode(text).embeddings[0], where="a beginning")
    with pytest.raises(llmdit.InvalidArgument, match="at least one token"):
        pipe.text_encoder.encode([base, "", base])


def test_each_text_of_several_fits_the_model(pipe):
    long = llmdit.format_prompt("a " * 3000, system_prompt=SYSTEM)
    with pytest.raises(llmdit.InvalidArgument, match="shorten the text"):
        pipe.text_encoder.encode([llmdit.format_prompt("a", system_prompt=SYSTEM), long])


def test_hidden_layer_of_encode(pipe):
    ids = pipe.tokenizer.encode(llmdit.format_prompt("a cat"))
    for layer in (0, 1, -1, -3):
        rows = pipe.encode_prompt("a cat", hidden_layer=layer).embeddings[0]
        assert torch.equal(rows, pipe.text_encoder.hidden_states(ids, layer))
    default = pipe.encode_prompt("a cat").embeddings[0]
    assert torch.equal(default, pipe.text_encoder.hidden_states(ids, -2))


def test_input_ids_as_list_tensor_and_batch_of_one(pipe):
    ids = [5, 6, 7]
    want = pipe.text_encoder.hidden_states(ids, -1)
    for form in (torch.tensor(ids), torch.tensor([ids]), torch.tensor(ids, dtype=torch.int32)):
        assert torch.equal(pipe.text_encoder.hidden_states(form, -1), want)
    with pytest.raises(ValueError, match="one sequence"):
        pipe.text_encoder.hidden_states(torch.tensor([ids, ids]), -1)


@pytest.mark.parametrize("ids", [[], [768], [-1], [0] * 2049])
def test_ids_that_cannot_be_encoded(pipe, ids):
    with pytest.raises(llmdit.InvalidArgument):
        pipe.text_encoder.hidden_states(ids, -2)


@pytest.mark.parametrize("layer", [4, -5, 100])
def test_layers_that_are_not_there(pipe, layer):
    with pytest.raises(llmdit.InvalidArgument, match=str(layer)):
        pipe.text_encoder.hidden_states([1, 2], layer)


def test_the_longest_sequence(pipe):
    assert pipe.text_encoder.hidden_states([1] * pipe.text_encoder.config.max_position_embeddings, 1).shape[0] == 2048


def test_loads_alone(folders):
    folder = folders("base")
    beside = llmdit.ZImageTextEncoder.from_pretrained(folder, subfolder="text_encoder")
    named = llmdit.ZImageTextEncoder.from_pretrained(
        folder / "text_encoder", tokenizer_path=folder / "tokenizer" / "tokenizer.json"
    )
    assert torch.equal(beside.encode("a").embeddings[0], named.encode("a").embeddings[0])
    assert beside.hidden_size == 48
    assert beside.unused_weights == []
    assert "3 layers" in repr(beside)
