"""Mixes of hidden layers, all layers from one pass, and what they are like in numbers."""

import json

import llmdit
import numpy as np
import pytest
import torch
from command import USAGE
from command import llmdit as run
from parity import assert_close
from reference import draw
from test_text_encoder import reference_states

TEXT = "a red circle on a white background, beside it two small blue stars"


@pytest.mark.parametrize("model", ["base", "wide", "plain", "dynamic"])
def test_all_layers_from_one_pass(model, references, pipelines):
    encoder = pipelines(model).text_encoder
    ids, want = reference_states(references(model), TEXT)
    got = encoder.hidden_states(ids, "all")
    assert len(got) == len(want) == encoder.config.num_hidden_layers + 1
    for layer, (ours, theirs) in enumerate(zip(got, want)):
        assert_close("all layers of one pass", ours, theirs[0], where=f"{model}, layer {layer}")
        assert torch.equal(ours, encoder.hidden_states(ids, layer))


def test_some_layers_in_the_order_asked_for(pipe):
    ids = pipe.tokenizer.encode(TEXT)
    every = pipe.text_encoder.hidden_states(ids, "all")
    got = pipe.text_encoder.hidden_states(ids, [-1, 0, 2, -2, 2])
    for ours, layer in zip(got, [3, 0, 2, 2, 2], strict=True):
        assert torch.equal(ours, every[layer])
    assert pipe.text_encoder.hidden_states(ids, []) == []
    with pytest.raises(llmdit.InvalidArgument, match="expected -4 to 3, got 4"):
        pipe.text_encoder.hidden_states(ids, [0, 4])
    with pytest.raises(TypeError, match="'all'"):
        pipe.text_encoder.hidden_states(ids, "some")


MIXES = [
    {-2: 0.7, -3: 0.3},
    {-2: 7, -3: 3},  # the same by its shares
    {0: 1, 1: 2, 2: 3, -1: 4},
    {-2: 1},
    {-1: 1.5, -3: -0.5},
    {-4: 1e-9, 3: 1e9},
]


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("model", ["base", "dynamic"])
def test_a_mix_is_the_weighted_sum(model, mix, references, pipelines):
    pipe = pipelines(model)
    _, states = reference_states(references(model), TEXT)
    total = sum(mix.values())
    want = sum(weight / total * states[layer][0].double() for layer, weight in mix.items())
    for form in (mix, ",".join(f"{layer}:{weight}" for layer, weight in mix.items())):
        got = pipe.encode_prompt(TEXT, layer_weights=form).embeddings[0]
        assert_close("mix of layers", got, want, where=f"{model}, {mix}")
    text = llmdit.format_prompt(TEXT)
    assert torch.equal(pipe.text_encoder.encode(text, layer_weights=mix).embeddings[0], got)


def test_a_mix_of_one_layer_is_that_layer(pipe):
    for layer in (-2, 0, 3):
        alone = pipe.encode_prompt(TEXT, hidden_layer=layer).embeddings[0]
        assert torch.equal(pipe.encode_prompt(TEXT, layer_weights={layer: 0.3}).embeddings[0], alone)


def test_spans_take_a_mix_of_their_own(pipe):
    ids = pipe.tokenizer.encode(llmdit.format_prompt(TEXT))
    states = pipe.text_encoder.hidden_states(ids, "all")
    tokens = len(ids)
    want = states[2].clone()
    want[3:9] = 0.25 * states[1][3:9] + 0.75 * states[3][3:9]
    want[-4:] = states[0][-4:]
    got = pipe.encode_prompt(TEXT, layer_spans=["3:9=1:0.25,-1:0.75", "-4:=0:1"]).embeddings[0]
    assert_close("mix of token spans", got, want)
    outside = [*range(3), *range(9, tokens - 4)]
    assert torch.equal(got[outside], states[2][outside]) and torch.equal(got[-4:], states[0][-4:])
    # On top of a mix, and over all of the text.
    got = pipe.encode_prompt(TEXT, layer_weights="1:1,2:1", layer_spans=f":{tokens}=-1:2").embeddings[0]
    assert torch.equal(got, states[3])


def test_spans_are_those_of_the_prompt_alone(pipe):
    """A negative prompt has tokens of its own."""
    small = {"width": 32, "height": 32, "num_inference_steps": 1, "seed": 3, "guidance_scale": 1.0}
    spans = pipe(TEXT, layer_spans="9:11=-1:1", **small)
    without = pipe(TEXT, negative_prompt_embeds=pipe.encode_prompt("").embeddings, layer_spans="9:11=-1:1", **small)
    assert torch.equal(spans.latents, without.latents)
    lists = pipe(TEXT, negative_prompt=[""], layer_spans="9:11=-1:1", **small)
    assert torch.equal(lists.latents, spans.latents)


def test_spans_of_several_texts_are_those_of_each(pipe):
    texts = ["a red circle", TEXT]
    spans = ["2:-2=-1:1"]
    together = pipe.encode_prompt(texts, layer_spans=spans).embeddings
    for text, rows in zip(texts, together, strict=True):
        assert torch.allclose(rows, pipe.encode_prompt(text, layer_spans=spans).embeddings[0], atol=1e-4)


@pytest.mark.parametrize(
    "keywords,message",
    [
        ({"layer_weights": {}}, "sum is above 0, got none"),
        ({"layer_weights": {-2: 0}}, "sum is above 0, got a sum of 0"),
        ({"layer_weights": {-2: 1, -3: -1}}, "sum is above 0"),
        ({"layer_weights": {-2: float("nan")}}, "finite"),
        ({"layer_weights": {-2: float("inf")}}, "finite"),
        ({"layer_weights": {-2: 1, 2: 1}}, "layer 2 under two numbers"),
        ({"layer_weights": {7: 1}}, "expected -4 to 3, got 7"),
        ({"layer_weights": {-5: 1}}, "expected -4 to 3, got -5"),
        ({"layer_weights": "-2"}, "LAYER:WEIGHT"),
        ({"layer_weights": "-2:0.5,"}, "LAYER:WEIGHT"),
        ({"layer_weights": "-2:0.5,-2:0.5"}, "-2 twice"),
        ({"layer_weights": "-2:a"}, "LAYER:WEIGHT"),
        ({"layer_spans": "3:9"}, "BEGIN:END=LAYER:WEIGHT"),
        ({"layer_spans": "3=-1:1"}, "BEGIN:END=LAYER:WEIGHT"),
        ({"layer_spans": "3:9="}, "after the ="),
        ({"layer_spans": "9:3=-1:1"}, "inside the text's"),
        ({"layer_spans": "3:3=-1:1"}, "inside the text's"),
        ({"layer_spans": "3:9999=-1:1"}, "inside the text's"),
        ({"layer_spans": "-999:=-1:1"}, "inside the text's"),
        ({"layer_spans": ["1:5=-1:1", "4:6=0:1"]}, "do not overlap"),
        ({"layer_spans": "1:5=9:1"}, "expected -4 to 3, got 9"),
    ],
)
def test_mixes_that_are_none(pipe, keywords, message):
    with pytest.raises(llmdit.InvalidArgument, match=message):
        pipe.encode_prompt(TEXT, **keywords)
    with pytest.raises(llmdit.InvalidArgument, match=message):
        pipe(TEXT, num_inference_steps=1, **keywords)


def test_pictures_follow_the_mix(pipe):
    options = {"seed": 1, "num_inference_steps": 1, "output_type": "latent", "width": 32, "height": 32}
    mixed = pipe(TEXT, layer_weights={-2: 0.5, -3: 0.5}, layer_spans="2:4=0:1", **options)
    embeds = pipe.encode_prompt(TEXT, layer_weights={-2: 0.5, -3: 0.5}, layer_spans="2:4=0:1").embeddings
    given = pipe(prompt_embeds=embeds, **options)
    assert torch.equal(mixed.latents, given.latents)
    assert not torch.equal(mixed.latents, pipe(TEXT, **options).latents)
    assert not mixed.warnings
    both = pipe(TEXT, layer_weights={-3: 1}, hidden_layer=-1, **options)
    assert both.warnings == ["hidden_layer has no effect: layer_weights is given"]
    useless = pipe(prompt_embeds=embeds, layer_weights={-3: 1}, **options)
    assert "no effect on prompt_embeds" in useless.warnings[0]


def test_a_list_of_negative_prompts_takes_the_mix(pipe):
    options = {"seed": 1, "num_inference_steps": 1, "output_type": "latent", "width": 32, "height": 32}
    mix = {"layer_weights": {-2: 0.5, -3: 0.5}, "guidance_scale": 2.0}
    one = pipe(TEXT, negative_prompt="a square", **mix, **options)
    assert torch.equal(pipe(TEXT, negative_prompt=["a square"], **mix, **options).latents, one.latents)


def test_statistics_are_the_formulas():
    states = draw(3, 40, 64)
    states[:, 5] *= 40
    states[:, 60] *= -25
    got = llmdit.layer_statistics(states)
    x = states.double().numpy()
    norms = np.linalg.norm(x, axis=1)
    magnitude = np.sqrt((x**2).mean(0))
    want = [x.mean(), x.std(ddof=1), x.min(), x.max(), norms.mean(), norms.min(), norms.max()]
    names = ["mean", "std", "min", "max", "row_norm_mean", "row_norm_min", "row_norm_max"]
    assert [getattr(got, name) for name in names] == pytest.approx(want, rel=1e-12)
    assert [outlier.dim for outlier in got.outliers] == [5, 60]
    lower_median = np.sort(magnitude)[31]
    assert got.outliers[0].magnitude == pytest.approx(magnitude[5])
    assert got.outliers[0].ratio == pytest.approx(magnitude[5] / lower_median)
    assert llmdit.layer_statistics(states, outlier_threshold=1e6).outliers == []
    one_row = llmdit.layer_statistics(states[:1].to(torch.bfloat16))
    assert one_row.row_norm_min == one_row.row_norm_max > 0
    for bad, message in (
        (torch.zeros(1, 1), "two numbers"),
        (torch.zeros(3), r"got \[3\]"),
        (torch.full((2, 2), float("nan")), "finite"),
        (torch.zeros(2, 2, dtype=torch.int32), "float type"),
    ):
        with pytest.raises(llmdit.InvalidArgument, match=message):
            llmdit.layer_statistics(bad)
    with pytest.raises(llmdit.InvalidArgument, match="above 0"):
        llmdit.layer_statistics(states, 0)


def test_the_command_mixes_and_describes_layers():
    arguments = ["encode", TEXT, "--layer-weights", "-2:0.7,-3:0.3", "--layer-span", "2:4=0:1", "--json"]
    document = json.loads(run(*arguments, "--layer-statistics").stdout)
    pipe = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
    rows = pipe.encode_prompt(TEXT, layer_weights={-2: 0.7, -3: 0.3}, layer_spans="2:4=0:1").embeddings[0]
    assert document["std"] == pytest.approx(rows.double().std().item(), rel=1e-4)
    assert document["settings"]["layer_weights"] == "-3:0.3,-2:0.7"
    assert document["settings"]["layer_spans"] == ["2:4=0:1"]
    states = pipe.text_encoder.hidden_states(pipe.tokenizer.encode(llmdit.format_prompt(TEXT)), "all")
    assert [entry["layer"] for entry in document["layers"]] == list(range(len(states)))
    for entry, layer in zip(document["layers"], states, strict=True):
        assert entry["std"] == pytest.approx(layer.double().std().item(), rel=1e-4)
        assert entry["row_norm_mean"] == pytest.approx(layer.double().norm(dim=1).mean().item(), rel=1e-4)
    people = run("encode", TEXT, "--layer-statistics").stdout.splitlines()
    assert len(people) == 2 + len(states) and people[1].split()[:3] == ["layer", "mean", "std"]
    assert "layers" not in json.loads(run("encode", TEXT, "--json").stdout)
    refused = run("encode", TEXT, "--layer-weights", "-2:0")
    assert refused.returncode == USAGE and "--layer-weights: expected weights whose sum" in refused.stderr


def test_mistakes_in_a_mix_are_told_by_the_flag(tmp_path):
    for command in (["generate", "-o", tmp_path / "a.png", "a"], ["encode", "a"], ["config", "--print"]):
        done = run(*command, "--layer-weights", "-2:0")
        assert done.returncode == USAGE and "llmdit: --layer-weights: expected" in done.stderr


def test_a_sweep_names_the_seed_it_drew(tmp_path):
    done = run("sweep", "a", "--over", "hidden-layer=-2,-3", "--steps", 1, "-o", "{seed}.png", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["path"] == f"{document['columns'][0]['seeds'][0]}.png" and (tmp_path / document["path"]).exists()
    done = run("sweep", "a", "--over", "steps=1,2", "--over", "hidden-layer=-2,-3", "-o", "b.png", cwd=tmp_path)
    assert done.returncode == USAGE and "--over: expected one setting" in done.stderr
    done = run("sweep", "a", "--over", "output-type=image,latent", "-o", "b.png", cwd=tmp_path)
    assert done.returncode == USAGE and "output-type" in done.stderr
