"""Encoders on other machines: equal to the local one, and every way in which they are not is told."""

import json
import ssl
import subprocess
import time

import command
import llmdit
import pytest
import torch
from encoder_servers import DISCONNECT, TEXT, Heylook, Sglang, VllmFile, same, serving

SMALL = {"width": 32, "height": 32, "num_inference_steps": 2, "seed": 5}


# heylookitsanllm


@pytest.mark.parametrize("layer", [-2, -3, 1, 2])
@pytest.mark.parametrize("as_float", [False, True])
def test_heylook_gives_what_the_local_encoder_gives(local, remote, layer, as_float):
    with serving(Heylook(local, as_float=as_float), key="secret") as server:
        encoder = remote(server, api_key="secret", model="Qwen3-4B-mlx")
        assert same(encoder.encode(TEXT, hidden_layer=layer), local, layer)
        _, asked, headers = server.requests[0]
    assert asked["model"] == "Qwen3-4B-mlx" and asked["layer"] == (
        layer if layer < 0 else layer - local.config.num_hidden_layers - 1
    )
    assert asked["encoding_format"] == "base64" and headers["Authorization"] == "Bearer secret"
    assert asked["max_length"] != 512


@pytest.mark.parametrize("layer", [-1, 0, -100])
def test_heylook_lacks_layers(local, remote, layer):
    with serving(Heylook(local)) as server:
        with pytest.raises((llmdit.Unsupported, llmdit.InvalidArgument), match=str(layer)):
            remote(server).encode(TEXT, hidden_layer=layer)
        assert not server.requests


def with_nan(rows):
    rows = rows.clone()
    rows[1, 2] = float("nan")
    return rows


HEYLOOK_FAULTS = {
    "short": ({"change": lambda rows: rows[:-3]}, r"expected \d+ rows, one a token, got \d+.*max_length"),
    "long": ({"change": lambda rows: torch.cat([rows, rows[:2]])}, "chat template"),
    "narrow": ({"change": lambda rows: rows[:, :-1]}, r"width \d+, got \d+"),
    "nan": ({"change": with_nan}, "not finite"),
    "layer": ({"layer": -3}, "asked for layer -2, it gave layer -3.*hidden_layer"),
    "shape": ({"shape": [3, 4]}, "48 bytes"),
    "shape kind": ({"shape": "none"}, "shape"),
    "float shape": ({"shape": [3, 4], "as_float": True}, r"\[3, 4\]"),
}


@pytest.mark.parametrize("name", HEYLOOK_FAULTS)
def test_heylook_faults(local, remote, name):
    fault, message = HEYLOOK_FAULTS[name]
    with serving(Heylook(local, **fault)) as server, pytest.raises(llmdit.RemoteError, match=message) as caught:
        remote(server).encode(TEXT)
    assert server.url in str(caught.value) and isinstance(caught.value, llmdit.Error) and caught.value.status == 0


ODD_ANSWERS = {
    "pooled": ({"data": [{"embedding": [1.0]}]}, "pooled"),
    "empty": ({}, "hidden_states"),
    "list": ([1], "hidden_states"),
    "text": ({"hidden_states": "!!!!", "shape": [1, 1]}, "base64"),
    "rows": ({"hidden_states": [[1.0], [1.0, 2.0]]}, "another length"),
    "words": ({"hidden_states": [["a"]]}, "numbers"),
    "flat": ({"hidden_states": [1.0]}, "list of lists"),
    "garbage": (b"<html>proxy</html>", "JSON.*<html>"),
    "nan": (b'{"hidden_states": [[NaN]]}', "NaN"),
    "nesting": (b"[" * 100_000, "JSON"),
    "deep layer": (b'{"hidden_states": "", "layer":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "JSON"),
    "deep error": ((500, b'{"error":' + b"[" * 30_000 + b"]" * 30_000 + b"}"), "500"),
    "nothing": (b"", "JSON"),
    "not utf-8": (b'{"hidden_states": "\xff"}', "JSON"),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answers(remote, name):
    answer, message = ODD_ANSWERS[name]
    with serving(lambda *_: answer) as server, pytest.raises(llmdit.RemoteError, match=message):
        remote(server).encode(TEXT)


# What every server can do wrong


def test_statuses_are_passed_on(remote):
    for status, body, word in (
        (401, {"error": {"message": "no such key"}}, "no such key"),
        (400, {"detail": "bad layer"}, "bad layer"),
        (500, b"it broke", "it broke"),
        (422, b"", "422"),
    ):
        with serving(lambda *_, s=status, b=body: (s, b)) as server:
            with pytest.raises(llmdit.RemoteError, match=f"{status}.*{word}" if word != "422" else "422") as caught:
                remote(server, api_key="very-secret").encode(TEXT)
            assert caught.value.status == status and "very-secret" not in str(caught.value)
            assert len(server.requests) == 1


def test_a_busy_server_is_asked_again(local, remote):
    good = Heylook(local)
    for status in (429, 503):
        state = {"left": 2}

        def answer(path, asked, state=state, status=status):
            state["left"] -= 1
            return (status, {"detail": "busy"}, {"Retry-After": "0"}) if state["left"] >= 0 else good(path, asked)

        with serving(answer) as server:
            assert same(remote(server, retries=3).encode(TEXT), local)
            assert len(server.requests) == 3
    with serving(lambda *_: (429, {"detail": "busy"}, {"Retry-After": "3600"})) as server:
        start = time.monotonic()
        with pytest.raises(llmdit.RemoteError, match="busy.*3.6e.*timeout") as caught:
            remote(server, retries=3, timeout=20.0).encode(TEXT)
        assert caught.value.status == 429 and time.monotonic() - start < 5


def test_a_broken_connection_is_tried_again(local, remote):
    good, state = Heylook(local), {"left": 1}

    def answer(path, asked):
        state["left"] -= 1
        return (200, DISCONNECT) if state["left"] >= 0 else good(path, asked)

    with serving(answer) as server:
        assert same(remote(server, retries=1).encode(TEXT), local)
    with serving(lambda *_: (200, DISCONNECT)) as server:
        with pytest.raises(llmdit.RemoteError, match="closed the connection"):
            remote(server).encode(TEXT)
    with serving(lambda *_: (200, b"{}", {"Content-Length": "999"})) as server:
        with pytest.raises(llmdit.RemoteError, match="closed the connection"):
            remote(server).encode(TEXT)


def test_patience_ends(remote):
    def slow(*_):
        time.sleep(3)
        return {}

    with serving(slow) as server:
        start = time.monotonic()
        with pytest.raises(llmdit.RemoteError, match="nothing for 0.3 seconds") as caught:
            remote(server, read_timeout=0.3).encode(TEXT)
        with pytest.raises(llmdit.RemoteError, match="within 0.3 seconds"):
            remote(server, timeout=0.3).encode(TEXT)
        assert caught.value.status == 504 and time.monotonic() - start < 2.5


def test_nobody_is_there(remote):
    with serving(lambda *_: {}) as server:
        url = server.url
    with pytest.raises(llmdit.RemoteError, match="nothing answers there"):
        remote(url).encode(TEXT)
    with pytest.raises(llmdit.RemoteError, match="name was not resolved"):
        remote("http://no-such-host.invalid").encode(TEXT)


def test_an_answer_without_end(remote):
    with serving(lambda *_: b" " * (200 << 20)) as server, pytest.raises(llmdit.RemoteError, match="at most"):
        remote(server).encode(TEXT)


def test_redirects_are_told_and_not_followed(remote):
    with serving(lambda *_: {}) as other, serving(lambda *_: (307, b"", {"Location": other.url})) as server:
        with pytest.raises(llmdit.RemoteError, match=other.url):
            remote(server, api_key="secret").encode(TEXT)
        assert not other.requests


def test_tls_is_verified(local, remote, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(Heylook(local)) as server:
        plain = server.url
        server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
        url = plain.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(llmdit.RemoteError, match="not trusted.*SSL_CERT_FILE"):
            remote(url).encode(TEXT)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert same(remote(url).encode(TEXT), local)
        with pytest.raises(llmdit.RemoteError, match="another host's"):
            remote(url.replace("localhost", "127.0.0.1")).encode(TEXT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "localhost:80"}, "http://localhost:8080"),
        ({"url": "ftp://host"}, "ftp"),
        ({"url": "http://user:word@host"}, "apart"),
        ({"url": "http://host:0"}, "port"),
        ({"url": "http://host:70000"}, "port"),
        ({"url": "http://"}, "host"),
        ({"url": "http://host/a b"}, "blanks"),
        ({"url": "http://host?x=1"}, "query"),
        ({"url": ""}, "URL"),
        ({"api": "grpc"}, "encoder_api.*grpc"),
        ({"api_key": "a\nb"}, "key"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"layer_ids": [1]}, "layer_ids"),
        ({"api": "sglang", "layer_ids": [1.5]}, "whole"),
        ({"folder": "x"}, "folder"),
    ],
)
def test_options_that_make_no_sense(remote, options, message):
    url = options.pop("url", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=message):
        remote(url, **options)


def test_apis_that_pool_are_refused_with_the_reason(remote):
    with pytest.raises(llmdit.Unsupported, match="one vector"):
        remote("http://127.0.0.1:9", api="embeddings")
    with pytest.raises(llmdit.Unsupported, match="norm.*use_activation"):
        remote("http://127.0.0.1:9", api="vllm-pooling")


# SGLang


@pytest.mark.parametrize("chunk", [1, 4, 1000])
def test_sglang(local, remote, chunk):
    layers = local.config.num_hidden_layers
    with serving(Sglang(local, [layers - 2], chunk=chunk)) as server:
        assert same(remote(server, api="sglang").encode(TEXT), local)
        assert server.requests[0][1]["input_ids"] == local.tokenizer.encode(TEXT)


def test_sglang_with_several_layers(local, remote):
    ids = [0, local.config.num_hidden_layers - 2]
    with serving(Sglang(local, ids)) as server:
        with pytest.raises(llmdit.RemoteError, match="2 layers.*--return-aux-hidden-state-layer-ids"):
            remote(server, api="sglang").encode(TEXT)
        encoder = remote(server, api="sglang", layer_ids=ids)
        assert same(encoder.encode(TEXT), local) and same(encoder.encode(TEXT, hidden_layer=1), local, 1)
        with pytest.raises(ValueError, match=f"id {ids[1] + 1} .*--return-aux-hidden-state-layer-ids"):
            encoder.encode(TEXT, hidden_layer=-1)
        with pytest.raises(llmdit.RemoteError, match="3 layers"):
            remote(server, api="sglang", layer_ids=[0, 1, 2]).encode(TEXT, hidden_layer=1)


def test_sglang_faults(local, remote):
    last = [local.config.num_hidden_layers - 2]
    cut = Sglang(local, last, change=lambda rows: rows[5:])
    with serving(cut) as server, pytest.raises(llmdit.RemoteError, match="--disable-radix-cache"):
        remote(server, api="sglang").encode(TEXT)
    for answer, message in (
        ({"text": "", "meta_info": {}}, "--enable-return-hidden-states"),
        ({"meta_info": {"hidden_states": []}}, "--enable-return-hidden-states"),
        ({"meta_info": {"hidden_states": [[1.0, 2.0]]}}, "whole prompt"),
        ([], "--enable-return-hidden-states"),
    ):
        with serving(lambda *_, a=answer: a) as server, pytest.raises(llmdit.RemoteError, match=message):
            remote(server, api="sglang").encode(TEXT)
    with pytest.raises(ValueError, match="tokenizer"):
        llmdit.RemoteTextEncoder("http://127.0.0.1:9", api="sglang")


# vLLM


def test_vllm_files(local, remote, tmp_path):
    asked = local.config.num_hidden_layers - 1
    with serving(VllmFile(local, tmp_path, [asked], delay=0.2)) as server:
        assert same(remote(server, api="vllm-file").encode(TEXT), local)
    with serving(VllmFile(local, tmp_path, [1, asked])) as server:
        encoder = remote(server, api="vllm-file", layer_ids=[1, asked])
        assert same(encoder.encode(TEXT), local) and same(encoder.encode(TEXT, hidden_layer=1), local, 1)
        with pytest.raises(llmdit.RemoteError, match="2.*layer_ids"):
            remote(server, api="vllm-file").encode(TEXT)
    with serving(VllmFile(local, tmp_path, [asked], elsewhere=True)) as server:
        assert same(remote(server, api="vllm-file", folder=tmp_path).encode(TEXT), local)
        with pytest.raises(llmdit.RemoteError, match="share.*folder"):
            remote(server, api="vllm-file").encode(TEXT)


def test_vllm_faults(local, remote, tmp_path):
    asked = [local.config.num_hidden_layers - 1]
    for fault, message in (
        ({"short": 3}, "--no-enable-prefix-caching"),
        ({"other_ids": True}, "token ids"),
        ({"no_path": True}, "--kv_transfer_config"),
    ):
        with serving(VllmFile(local, tmp_path, asked, **fault)) as server:
            with pytest.raises(llmdit.RemoteError, match=message):
                remote(server, api="vllm-file").encode(TEXT)
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 10)
    path = {"kv_transfer_params": {"hidden_states_path": str(tmp_path / "junk.safetensors")}}
    with serving(lambda *_: path) as server, pytest.raises(llmdit.RemoteError, match="cannot be read"):
        remote(server, api="vllm-file").encode(TEXT)
    with serving(VllmFile(local, tmp_path, asked, delay=2)) as server:
        with pytest.raises(llmdit.RemoteError, match="still being written"):
            remote(server, api="vllm-file", read_timeout=0.3).encode(TEXT)
        with pytest.raises(llmdit.Unsupported, match="normed"):
            remote(server, api="vllm-file").encode(TEXT, hidden_layer=-1)
        time.sleep(2)  # its thread writes into a folder that goes away


# Pipelines and commands


def test_a_pipeline_whose_encoder_is_elsewhere(pipe, folders, model_copy, server):
    folder = model_copy()
    for weights in (folder / "text_encoder").glob("*.safetensors"):
        weights.unlink()
    encoder = llmdit.APIBackend(server.url, api_key="secret", model_path=folder)
    light = llmdit.ZImagePipeline.from_pretrained(folder, text_encoder=encoder, enable_cache=True)
    for _ in range(2):
        result = light("a cat", guidance_scale=1.5, negative_prompt="dull", **SMALL)
        expected = pipe("a cat", guidance_scale=1.5, negative_prompt="dull", **SMALL)
        assert torch.equal(result.latents, expected.latents) and result.token_counts == expected.token_counts
    assert not result.warnings
    assert llmdit.TransformersBackend is llmdit.ZImageTextEncoder
    with pytest.raises(llmdit.Unsupported):
        light.text_encoder.encode("x")


def test_an_encoder_of_another_width(folders, local):
    with pytest.raises(llmdit.Unsupported, match="width"):
        llmdit.ZImagePipeline.from_pretrained(
            folders("base"), text_encoder=llmdit.RemoteTextEncoder("http://127.0.0.1:9", api="heylook", hidden_size=7)
        )


def test_comparing_encoders(local, remote, server):
    difference = llmdit.compare_encoders(local, remote(server, api="llmdit", api_key="secret"), TEXT)
    assert difference.agrees and difference.max_error == 0 and difference.nearest_layer is None
    assert difference.shape == difference.expected_shape
    with serving(Sglang(local, [0])) as wrong_layer:
        difference = llmdit.compare_encoders(local, remote(wrong_layer, api="sglang"), TEXT)
    assert not difference.agrees and difference.nearest_layer == 1 - local.config.num_hidden_layers - 1
    with serving(Heylook(local, change=lambda rows: rows + 1e-4 * rows.std() * torch.randn_like(rows))) as noisy:
        difference = llmdit.compare_encoders(local, remote(noisy), TEXT)
    assert difference.agrees and 1e-6 < difference.relative_error < 1e-2


def test_encode_in_one_process_and_generate_in_another(tmp_path):
    process = subprocess.Popen(
        [command.LLMDIT, "serve-encoder", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=command.environment(LLMDIT_ENCODER_API_KEY="secret"),
    )
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        env = {"LLMDIT_ENCODER_API_KEY": "secret"}
        model = command.copy_of_demo_model(tmp_path / "model")
        for weights in (model / "text_encoder").glob("*.safetensors"):
            weights.unlink()
        common = ["--seed", "7", "--steps", "2", "--json"]
        there = command.llmdit(
            *("generate", "a cat", "--encoder-url", url, "--model-path", model, "-o", tmp_path / "there.png"),
            *common,
            env=env,
        )
        assert there.returncode == 0, there.stderr
        here = command.llmdit("generate", "a cat", "-o", tmp_path / "here.png", *common)
        document = json.loads(there.stdout)
        assert command.pixels(document) == command.pixels(json.loads(here.stdout))
        assert document["encoder"]["api_url"] == url and "secret" not in there.stdout + there.stderr

        encoded = command.llmdit("encode", "a cat", "--encoder-url", url, "-o", tmp_path / "cat", "--json", env=env)
        assert encoded.returncode == 0, encoded.stderr
        assert llmdit.load_embeddings(tmp_path / "cat.safetensors").metadata["encoder"] == url
        checked = command.llmdit("encode", "a cat", "--check-remote", url, env=env)
        assert checked.returncode == 0 and checked.stdout.startswith("agrees:"), checked.stderr
        checked = command.llmdit("encode", "a cat", "--check-remote", url)
        assert checked.returncode == 6 and "401" in checked.stderr
    finally:
        process.send_signal(2)
        _, told = process.communicate(timeout=30)
    assert process.returncode in (0, command.INTERRUPTED) and "secret" not in told


def test_the_command_s_refusals(tmp_path, local):
    done = command.llmdit(
        "generate", "a cat", "--encoder-url", "http://127.0.0.1:9", "--encoder-retries", "0", cwd=tmp_path
    )
    assert done.returncode == 6 and "127.0.0.1:9" in done.stderr
    done = command.llmdit("generate", "a cat", "--encoder-model", "x", cwd=tmp_path)
    assert done.returncode == command.USAGE and "--encoder-url" in done.stderr
    done = command.llmdit("encode", "a cat", "--encoder-url", "nonsense", cwd=tmp_path)
    assert done.returncode == command.USAGE and "nonsense" in done.stderr
    done = command.llmdit(
        "encode", "a", "--encoder-url", "http://127.0.0.1:9", "--encoder-api", "embeddings", cwd=tmp_path
    )
    assert done.returncode == command.UNSUPPORTED and "one vector" in done.stderr
    done = command.llmdit("serve-encoder", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert done.returncode == command.USAGE and "key" in done.stderr


def test_a_stop_ends_a_request_at_once(tmp_path):
    def never(*_):
        time.sleep(20)
        return {}

    with serving(never) as server:
        process = subprocess.Popen(
            [command.LLMDIT, "encode", "a cat", "--encoder-url", server.url, "--encoder-api", "heylook"],
            stderr=subprocess.PIPE,
            env=command.environment(),
        )
        while not server.requests:
            time.sleep(0.02)
        start = time.monotonic()
        process.send_signal(2)
        process.communicate(timeout=10)
        assert process.returncode == command.INTERRUPTED and time.monotonic() - start < 5


def test_settings_that_name_a_server_are_followed(monkeypatch):
    monkeypatch.setenv("LLMDIT_ENCODER_API_KEY", "secret")
    demo = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
    with llmdit.EncoderServer(demo.text_encoder, port=0, api_key="secret") as server:
        config = llmdit.RuntimeConfig(
            llmdit.Config.parse("", "demo"), api_url=server.url, seed=1, num_inference_steps=1
        )
        pipe = llmdit.ZImagePipeline.from_config(config)
        assert isinstance(pipe.encoder, llmdit.RemoteTextEncoder) and pipe.encoder.url == server.url
        want = demo("a red circle", options=config.generate, output_type="latent")
        assert torch.equal(pipe("a red circle", options=config.generate, output_type="latent").latents, want.latents)
    nowhere = llmdit.RuntimeConfig(llmdit.Config.parse("", "demo"), api_url="http://127.0.0.1:1", api_retries=0)
    with pytest.raises(llmdit.RemoteError):
        llmdit.ZImagePipeline.from_config(nowhere)("a red circle")
