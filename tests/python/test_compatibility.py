"""Which encoders can serve which transformer."""

import json

import llmdit
import pytest
import tiny_models
from command import DEMO_MODEL
from command import llmdit as run

QWEN3_4B = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 2560,
    "num_hidden_layers": 36,
    "intermediate_size": 9728,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "rope_theta": 1000000,
    "rms_norm_eps": 1e-6,
}


@pytest.fixture
def report(tmp_path):
    """The report on an encoder that is Qwen3-4B but for some settings."""

    def of(transformer=None, **changes):
        (tmp_path / "config.json").write_text(json.dumps({**QWEN3_4B, **changes}))
        return llmdit.check_compatibility(tmp_path, transformer)

    return of


def test_the_original_encoder_has_nothing_to_tell(report):
    own = report()
    assert own.compatible and own.model_name == "Qwen3-4B"
    assert (own.errors, own.warnings, own.config_diff) == ([], [], {})
    assert (own.hidden_size, own.num_hidden_layers, own.max_position_embeddings) == (2560, 36, 40960)


def test_4b_of_2507_serves_with_a_warning(report):
    later = report(rope_theta=5000000, max_position_embeddings=262144)
    assert later.compatible and later.model_name == "Qwen3-4B-2507" and later.max_position_embeddings == 262144
    assert len(later.warnings) == 1 and "rope_theta is 5e+06" in later.warnings[0].replace("5000000", "5e+06")
    assert (later.config_diff["rope_theta"].reference, later.config_diff["rope_theta"].actual) == (1e6, 5e6)


@pytest.mark.parametrize(
    "name,width,layers,inner",
    [
        ("Qwen3-0.6B", 1024, 28, 3072),
        ("Qwen3-1.7B", 2048, 28, 6144),
        ("Qwen3-8B", 4096, 36, 12288),
        ("Qwen3-14B", 5120, 40, 17408),
        ("Qwen3-32B", 5120, 64, 25600),
        ("", 8192, 80, 29568),
    ],
)
def test_other_widths_do_not_fit(report, name, width, layers, inner):
    other = report(hidden_size=width, num_hidden_layers=layers, intermediate_size=inner)
    assert not other.compatible and other.model_name == name
    assert f"expected hidden states of width 2560, the transformer's cap_feat_dim, got {width}" in other.errors[0]
    assert "Z-Image takes Qwen3-4B" in other.errors[0]
    assert other.config_diff["hidden_size"].actual == width


def test_settings_that_differ_are_warnings_and_missing_layers_an_error(report):
    other = report(vocab_size=152064, intermediate_size=9216)
    assert other.compatible and other.config_diff.keys() == {"vocab_size", "intermediate_size"}
    assert any("that of Qwen3-4B 9728" in warning for warning in other.warnings)
    short = report(num_hidden_layers=35)
    assert not short.compatible and "expected the 36 layers of Qwen3-4B, got 35" in short.errors[0]
    long = report(num_hidden_layers=37)
    assert long.compatible and len(long.warnings) == 1


def test_an_encoder_that_does_not_load_is_reported_and_a_transformer_raises(report, tmp_path):
    vision = report(model_type="qwen3_vl", architectures=["Qwen3VLForConditionalGeneration"])
    assert not vision.compatible and len(vision.errors) == 1 and vision.hidden_size == 0
    missing = llmdit.check_compatibility(tmp_path / "nowhere")
    assert not missing.compatible and len(missing.errors) == 1
    with pytest.raises(llmdit.NotFound):
        llmdit.check_compatibility(DEMO_MODEL, tmp_path / "nowhere")


def test_another_transformer_sets_the_width_alone(report):
    assert "width 128" in report(DEMO_MODEL).errors[0]
    demo = llmdit.check_compatibility(DEMO_MODEL, DEMO_MODEL / "transformer")
    assert demo.compatible and demo.warnings == [] and demo.hidden_size == 128
    published = llmdit.check_compatibility(DEMO_MODEL / "text_encoder")
    assert not published.compatible and len(published.errors) == 2


def test_a_pipeline_refuses_an_encoder_of_another_width(model_copy):
    folder = model_copy("base")
    wide = tiny_models.MODELS["wide"]
    tiny_models.make_text_encoder(wide).save_pretrained(folder / "text_encoder")
    with pytest.raises(llmdit.Unsupported, match="text encoder's width.*hidden_size 64.*cap_feat_dim 48"):
        llmdit.ZImagePipeline.from_pretrained(folder)


def test_the_command_tells(report, tmp_path):
    assert report().compatible
    done = run("inspect", DEMO_MODEL / "text_encoder", "--transformer", DEMO_MODEL)
    assert "can serve as the transformer's text encoder" in done.stdout
    document = json.loads(run("inspect", DEMO_MODEL, "--transformer", DEMO_MODEL, "--json").stdout)["files"][0]
    assert document["compatibility"]["compatible"] and document["compatibility"]["hidden_size"] == 128
    assert "compatibility" not in json.loads(run("inspect", DEMO_MODEL, "--json").stdout)["files"][0]
