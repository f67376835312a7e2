"""A small server that speaks OpenAI's /v1/chat/completions, for tests."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer:
    """Answers every chat with `message`; keeps what it was asked in `requests`."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": "a red circle, oil on canvas"}
        self.finish_reason = "stop"
        self.models = ["qwen"]
        self.status = 200
        self.body: bytes | None = None
        """Sent as it is instead of an answer."""
        self.streams = True
        self.pause = 0.0
        """Seconds before an answer and between the pieces of a stream."""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "ChatServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def whole(self) -> dict[str, Any]:
        choice = {"index": 0, "message": self.message, "finish_reason": self.finish_reason}
        usage = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "qwen-8b",
            "choices": [choice],
            "usage": usage,
        }

    def pieces(self) -> list[str]:
        """The lines of the stream of events."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        for key in ("reasoning_content", "reasoning", "content"):
            text = self.message.get(key) or ""
            deltas += [{key: text[i : i + 3]} for i in range(0, len(text), 3)]
        events = [{"model": "qwen-8b", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]})
        events.append({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 5}})
        return [": comment", *(f"data: {json.dumps(event, ensure_ascii=False)}" for event in events), "data: [DONE]"]


def _handler(chat: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def send(self, body: bytes, status: int, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            assert self.path == "/v1/models"
            self.send(json.dumps({"object": "list", "data": [{"id": name} for name in chat.models]}).encode(), 200)

        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions", self.path
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.requests.append(request)
            chat.headers.append(dict(self.headers))
            if chat.body is not None:
                self.send(chat.body, chat.status)
            elif request.get("stream") and chat.streams:
                self.stream()
            else:
                time.sleep(chat.pause)
                self.send(json.dumps(chat.whole()).encode(), chat.status)

        def stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for line in chat.pieces():
                time.sleep(chat.pause)
                self.wfile.write(f"{line}\n\n".encode())
                self.wfile.flush()

    return Handler
