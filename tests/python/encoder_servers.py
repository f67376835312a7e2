"""Small servers that answer as the encoders of the field do, faults included."""

import base64
import fcntl
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import llmdit
import torch
from safetensors.torch import save_file

Answer = dict[str, Any] | bytes | tuple[int, Any] | tuple[int, Any, dict[str, str]]


class FakeServer:
    """Answers each POST by `answer(path, document)`: JSON, raw bytes, or (status, either[, headers])."""

    def __init__(self, answer: Callable[[str, Any], Answer], key: str = "") -> None:
        self.requests: list[tuple[str, Any, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.handle_request(None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.handle_request(json.loads(body))

            def handle_request(self, document: Any) -> None:
                outer.requests.append((self.path, document, dict(self.headers)))
                if key and self.headers.get("Authorization") != f"Bearer {key}":
                    return self.send(401, {"error": {"message": "wrong key"}}, {})
                reply = answer(self.path, document)
                status, content, *headers = reply if isinstance(reply, tuple) else (200, reply)
                try:
                    self.send(status, content, headers[0] if headers else {})
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def send(self, status: int, content: Any, headers: dict[str, str]) -> None:
                if content is DISCONNECT:
                    self.close_connection = True
                    return
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", headers.get("Content-Length", str(len(body))))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


DISCONNECT = object()


@contextmanager
def serving(answer: Callable[[str, Any], Answer], key: str = "") -> Iterator[FakeServer]:
    fake = FakeServer(answer, key)
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.server.shutdown()
        fake.server.server_close()
        thread.join()


def encoded(rows: torch.Tensor) -> str:
    return base64.b64encode(rows.to(torch.float32).contiguous().numpy().tobytes()).decode()


class Heylook:
    """Counts blocks: -2 is as in transformers, k is after block k + 1."""

    def __init__(
        self, encoder: Any, *, change: Callable[[torch.Tensor], torch.Tensor] | None = None, **fault: Any
    ) -> None:
        self.encoder, self.change, self.fault = encoder, change or (lambda rows: rows), fault

    def __call__(self, path: str, asked: Any) -> Answer:
        assert path == "/v1/hidden_states"
        layer = self.fault.get("layer", asked["layer"])
        ids = self.encoder.tokenizer.encode(asked["input"])[: asked["max_length"]]
        rows = self.change(self.encoder.hidden_states(ids, layer if layer < 0 else layer + 1))
        base64_wanted = asked["encoding_format"] == "base64" and not self.fault.get("as_float")
        return {
            "hidden_states": encoded(rows) if base64_wanted else rows.tolist(),
            "shape": self.fault.get("shape", list(rows.shape)),
            "model": asked.get("model", "only"),
            "layer": layer,
            "dtype": "bfloat16",  # as it says there, whatever the numbers are
            "encoding_format": "base64" if base64_wanted else "float",
        }


class Sglang:
    """Gives the layers it was started with, side by side, in chunks, and a row for the token it made."""

    def __init__(
        self, encoder: Any, layer_ids: list[int], *, chunk: int = 4, change: Callable[[torch.Tensor], Any] | None = None
    ) -> None:
        self.encoder, self.layer_ids, self.chunk = encoder, layer_ids, chunk
        self.change = change or (lambda rows: rows)

    def __call__(self, path: str, asked: Any) -> Answer:
        assert path == "/generate" and asked["sampling_params"] == {"max_new_tokens": 1, "temperature": 0}
        if not asked["return_hidden_states"]:
            return {"text": "", "meta_info": {}}
        rows = self.change(
            torch.cat([self.encoder.hidden_states(asked["input_ids"], i + 1) for i in self.layer_ids], dim=1)
        )
        chunks = [part.tolist() for part in rows.split(self.chunk)]
        return {"text": "x", "meta_info": {"hidden_states": [*chunks, rows[-1].tolist()]}}


class VllmFile:
    """Writes its layers to a file, holding a lock beside it until that is whole."""

    def __init__(self, encoder: Any, folder: Path, layer_ids: list[int], *, delay: float = 0.0, **fault: Any) -> None:
        self.encoder, self.folder, self.layer_ids, self.delay, self.fault = encoder, folder, layer_ids, delay, fault
        self.count = 0

    def __call__(self, path: str, asked: Any) -> Answer:
        assert path == "/v1/completions" and asked["max_tokens"] == 1
        if self.fault.get("no_path"):
            return {"choices": [], "kv_transfer_params": None}
        self.count += 1
        file = self.folder / f"request-{self.count}.safetensors"
        states = torch.stack([self.encoder.hidden_states(asked["prompt"], i) for i in self.layer_ids], dim=1)
        ids = torch.tensor(asked["prompt"])
        short = self.fault.get("short", 0)
        states, ids = states[short:].contiguous(), ids[short:].contiguous()
        if self.fault.get("other_ids"):
            ids = ids + 1
        lock = open(str(file) + ".lock", "w")
        fcntl.flock(lock, fcntl.LOCK_EX)

        def write() -> None:
            time.sleep(self.delay)
            save_file({"hidden_states": states, "token_ids": ids}, file)
            fcntl.flock(lock, fcntl.LOCK_UN)
            lock.close()

        threading.Thread(target=write).start()
        seen_there = Path("/somewhere/on/the/server") if self.fault.get("elsewhere") else self.folder
        return {"choices": [{"text": ""}], "kv_transfer_params": {"hidden_states_path": str(seen_there / file.name)}}


TEXT = llmdit.format_prompt("a red circle on a white background")


def same(output, local, layer=-2):
    """Whether an answer is what the local encoder gives for TEXT."""
    expected = local.encode(TEXT, hidden_layer=layer)
    return (
        torch.equal(output.embeddings[0], expected.embeddings[0])
        and output.token_counts == expected.token_counts
        and output.formatted_prompts == expected.formatted_prompts
    )
