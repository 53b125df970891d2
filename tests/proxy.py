"""A proxy between a command and its tracking server, which makes requests fail."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class Proxy(ThreadingHTTPServer):
    """``ways`` lists what happens to the requests, in turn; "forward" is no fault.

    fail    500, in MLflow's JSON
    503     without MLflow's JSON, as of a load balancer
    html    404 with a page, as of an ingress whose server restarts
    empty   200 without a body
    halve   the server's answer, cut in the middle; a file ends before its length
    forget  the server performs the request, and the connection is closed without an answer
    close   the connection is closed at once
    slow    the server's answer, after a second
    """

    daemon_threads = True

    def __init__(self, behind: str):
        super().__init__(("127.0.0.1", 0), Forward)
        self.behind = behind
        self.uri = f"http://127.0.0.1:{self.server_port}"
        self.ways: list[str] = []
        self.spared = 0
        """The number of requests that are forwarded before the first fault."""
        self.only = ""
        """Only requests with this in their path are counted, and get faults."""
        self.count = 0
        self.did: set[str] = set()
        self.users: set[str | None] = set()
        """The Authorization headers."""
        self.lock = threading.Lock()

    def next_way(self, path: str) -> str:
        with self.lock:
            if self.only not in path:
                return "forward"
            self.count += 1
            faulty = self.ways and self.count > self.spared
            way = self.ways[self.count % len(self.ways)] if faulty else "forward"
            if faulty:
                self.did.add(way)
            return way


class Forward(BaseHTTPRequestHandler):
    server: Proxy

    def forward(self) -> None:
        way = self.server.next_way(self.path)
        self.server.users.add(self.headers.get("Authorization"))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if way == "fail":
            return self.answer(500, b'{"error_code": "INTERNAL_ERROR", "message": "a fault"}')
        if way == "503":
            return self.answer(503, b"no healthy upstream")
        if way == "html":
            return self.answer(404, b"<html>default backend</html>")
        if way == "empty":
            return self.answer(200, b"")
        if way == "close":
            return self.hang_up()
        if way == "slow":
            time.sleep(1)
        headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
        theirs = requests.request(
            self.command, self.server.behind + self.path, data=body, headers=headers, timeout=60
        )
        if way == "forget":
            return self.hang_up()
        content = theirs.content
        if way == "halve":
            is_file = self.command == "GET" and "/artifacts/" in self.path
            length = len(content) if is_file else len(content) // 2
            self.close_connection = True
            return self.answer(theirs.status_code, content[: len(content) // 2], length)
        return self.answer(theirs.status_code, content)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def answer(self, status: int, content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxied(server: str) -> Iterator[Proxy]:
    """Run a proxy in front of the server at this address."""
    with Proxy(server) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()
