"""``make demo-server``: start the server, submit a real recording with a callback, show what the callback delivers."""

from __future__ import annotations

import http.client
import http.server
import json
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from tools.demo import recording

PATIENCE_S = 120.0


def receive() -> tuple[http.server.ThreadingHTTPServer, queue.Queue[dict[str, Any]]]:
    """A receiver of callbacks on this machine."""
    delivered: queue.Queue[dict[str, Any]] = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            delivered.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, delivered


def start(stenogram: Path, home: str) -> tuple[subprocess.Popen[str], int]:
    """The server, and its port once it takes requests."""
    command = [str(stenogram), "serve", "--port", "0", "--callback-allow", "127.0.0.1", "--home", home]
    print("$ " + " ".join(command), flush=True)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        print("  " + line.rstrip(), flush=True)
        found = re.search(r"stenogram is at http://[^:]+:(\d+)", line)
        if found:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, int(found[1])
    raise SystemExit(f"the server ended with status {process.wait()}")


def request(port: int, method: str, path: str, body: bytes = b"", kind: str = "") -> dict[str, Any]:
    """One request to the server; its JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, {"content-type": kind} if kind else {})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


def form(source: Path, **fields: str) -> tuple[bytes, str]:
    """A multipart form with a file, and its content type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{source.name}"\r\n\r\n'
    parts += [head.encode(), source.read_bytes(), f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def main() -> int:
    """Status 0 when the callback brought the text."""
    stenogram = Path(sys.executable).with_name("stenogram")
    receiver, delivered = receive()
    with tempfile.TemporaryDirectory(prefix="stenogram-demo-") as home:
        process, port = start(stenogram, home)
        try:
            end = time.monotonic() + PATIENCE_S
            while request(port, "GET", "/health")["status"] != "ready" and time.monotonic() < end:
                time.sleep(0.1)
            address = f"http://127.0.0.1:{receiver.server_port}/done"
            print(f"\nPOST /transcribe  file={recording().name}  callback_url={address}", flush=True)
            body, kind = form(recording(), model="moonshine-tiny-en", language="English", callback_url=address)
            print(json.dumps(request(port, "POST", "/transcribe", body, kind)), flush=True)
            payload = delivered.get(timeout=PATIENCE_S)
            print("\nThe callback delivered:\n" + json.dumps(payload, indent=2, ensure_ascii=False), flush=True)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            receiver.shutdown()
    return 0 if payload["status"] == "completed" and "best of times" in payload["result"]["text"] else 1


if __name__ == "__main__":
    sys.exit(main())
