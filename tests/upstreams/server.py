"""A web server that counts the bytes of every body it gets and sends, for the tests of the gateway.

Prints `PORT CONTROL`: the control port answers any request with its counts.
"""

import http.server
import json
import sys
import threading

LOCK = threading.Lock()
COUNT = {"requests": 0, "requestBytes": 0, "responseBytes": 0}


def add(name: str, number: int) -> None:
    with LOCK:
        COUNT[name] += number


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def parts(self):
        """The body as it comes, chunked or not."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while length := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(length)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left:
                part = self.rfile.read(min(left, 65536))
                left -= len(part)
                yield part

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            add("responseBytes", len(body))
            self.wfile.write(body)

    def chunks(self, parts) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            add("responseBytes", len(part))
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def handle_any(self) -> None:
        add("requests", 1)
        body = b""
        for part in self.parts():
            add("requestBytes", len(part))
            body += part
        what, _, amount = self.path.split("?")[0].lstrip("/").partition("/")
        if what == "echo":
            self.chunks([body[at : at + 4096] for at in range(0, len(body), 4096)])
        elif what == "bytes":
            self.answer(200, b"p" * int(amount))
        elif what == "chunks":
            self.chunks(b"p" * (1 + index * 37 % 997) for index in range(int(amount)))
        elif what == "nothing":
            self.send_response(204)
            self.end_headers()
        elif what == "status":
            self.answer(int(amount), b"p" * (100 + int(amount)))
        else:
            self.answer(404, b"nothing here")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def log_message(self, *_args) -> None:
        pass


class Control(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with LOCK:
            body = json.dumps(COUNT).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args) -> None:
        pass


def start(handler) -> int:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


print(start(Handler), start(Control), flush=True)
# Whoever started it has ended.
sys.stdin.read()
