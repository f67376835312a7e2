"""Our own encoder server: what it gives, to whom, and what it refuses."""

import json
import socket
import threading

import llmdit
import pytest
import torch
from encoder_servers import TEXT, same, serving


@pytest.mark.parametrize("layer", [-2, -1, 0, 1, -3])
def test_our_server_gives_every_layer(local, remote, server, layer):
    encoder = remote(server, api="llmdit", api_key="secret")
    assert same(encoder.encode(TEXT, hidden_layer=layer), local, layer)
    assert encoder.fingerprint() == local.fingerprint() and encoder.hidden_size == local.hidden_size


def test_our_server_speaks_heylook(local, remote, server):
    for layer in (-2, 1):
        assert same(remote(server, api_key="secret").encode(TEXT, hidden_layer=layer), local, layer)


def post(server, document, key="secret", kind="application/json"):
    import urllib.error
    import urllib.request

    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
    request = urllib.request.Request(server.url + "/v1/hidden_states", body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_our_server_refuses_with_words(server):
    for document, status, word in (
        ({"input": TEXT, "layer": 99, "layer_convention": "hf"}, 400, "99"),
        ({"input": TEXT, "layer": -1}, 400, "layer_convention"),
        ({"input": ["a"]}, 400, "input"),
        ({"input": ""}, 400, "input"),
        ({"input": TEXT, "max_length": 3}, 400, "nothing is cut"),
        ({"input": TEXT, "encoding_format": "hex"}, 400, "encoding_format"),
        ({"input": TEXT, "speed": 1}, 400, "speed"),
        ({"input": TEXT, "dtype": "float16"}, 400, "dtype"),
        ({"input": TEXT, "return_attention_mask": True}, 400, "return_attention_mask"),
        ({"input": "a " * 9000}, 400, "at most 8192 tokens"),
        (b"{", 400, "JSON"),
        (b"[" * 100_000 + b"]" * 100_000, 400, "JSON"),
        (b"x" * (8 << 20), 413, "413"),
    ):
        told, answer = post(server, document)
        assert told == status and word in answer["error"]["message"], document
    assert post(server, {"input": TEXT}, key="wrong")[0] == 401
    told, answer = post(server, {"input": TEXT}, kind="application/x-www-form-urlencoded")
    assert told == 415 and "application/json" in answer["error"]["message"]
    status, answer = post(server, {"input": TEXT, "encoding_format": "float"})
    assert status == 200 and len(answer["hidden_states"]) == answer["shape"][0] == len(answer["input_ids"])


def test_our_server_guards_itself(local, remote, server):
    with pytest.raises(ValueError, match="API key"):
        llmdit.EncoderServer(local, host="0.0.0.0", port=0)
    with pytest.raises(FileNotFoundError, match=str(server.port)):
        llmdit.EncoderServer(local, port=server.port)
    with pytest.raises(llmdit.RemoteError, match="401"):
        remote(server, api="llmdit", api_key="wrong")
    with serving(lambda *_: {"hello": 1}) as other, pytest.raises(llmdit.RemoteError, match="serve-encoder"):
        remote(other, api="llmdit")


def raw(server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(1 << 16)


def test_nothing_is_read_before_the_key(server):
    """A body that never ends, or that is larger than it looks, is refused at its header."""
    start = b"POST /v1/hidden_states HTTP/1.1\r\nHost: here\r\n"
    key = b"Authorization: Bearer secret\r\n"
    assert b" 401 " in raw(server, start + b"Content-Length: 5000000\r\n\r\n")
    assert b" 411 " in raw(server, start + key + b"Transfer-Encoding: chunked\r\n\r\n")
    assert b" 411 " in raw(server, start + key + b"Content-Encoding: gzip\r\nContent-Length: 50\r\n\r\n")
    assert post(server, {"input": TEXT})[0] == 200


def test_a_server_may_be_stopped_from_several_threads(local):
    server = llmdit.EncoderServer(local, port=0)
    threads = [threading.Thread(target=server.stop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_clients_at_once(local, remote, server):
    outputs = []
    encoder = remote(server, api="llmdit", api_key="secret")
    threads = [threading.Thread(target=lambda: outputs.append(encoder.encode(TEXT))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outputs) == 8 and all(same(output, local) for output in outputs)


def test_mixes_of_layers(local, remote, server):
    options = {"layer_weights": {-2: 0.7, 1: 0.3}, "layer_spans": "3:5=-3:1"}
    expected = local.encode(TEXT, **options).embeddings[0]
    for encoder in (remote(server, api="llmdit", api_key="secret"), remote(server, api_key="secret")):
        output = encoder.encode(TEXT, **options)
        assert torch.equal(output.embeddings[0], expected) and output.metadata["layer_weights"]
    bare = llmdit.RemoteTextEncoder(server.url, api="heylook", api_key="secret", num_hidden_layers=3)
    assert torch.equal(bare.encode(TEXT, layer_weights={-2: 1.0}).embeddings[0], local.encode(TEXT).embeddings[0])
    with pytest.raises(ValueError, match="tokenizer"):
        bare.encode(TEXT, **options)
