"""A reverse proxy between the driver and a real OpenStack that breaks what the test says, and writes down every call.

One port for all services: `http://127.0.0.1:PORT/SERVICE/...` goes to that service's real endpoint. The answers are the
real ones, unless a rule says otherwise. Knows nothing of OpenStack but HTTP.
"""

import http.client
import json
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection", "host"}
_BLOCK = 65536


@dataclass(frozen=True)
class Reply:
    """An answer as it goes back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    """One call as the proxy saw it; `status` is what the client got (0: the connection was cut)."""

    service: str
    method: str
    path: str
    at: float
    """Monotonic seconds at which it came in."""
    body: bytes
    status: int
    rule: "Rule | None" = None
    """What was done to it."""
    size: int = 0
    """Bytes of the answer's body."""

    @property
    def json(self) -> Any:
        """The request's body."""
        return json.loads(self.body)


class Cut(Exception):  # noqa: N818 - no error: what a rule asks for
    """The connection ends here, without an answer."""


@dataclass
class Rule:
    """What is to happen to the next `times` calls (None: all) of a method whose `SERVICE/path` matches."""

    method: str
    path: str
    times: int | None = 1
    delay: float = 0.0
    """Seconds before anything else."""
    cut: str = ""
    """`before` the request goes on, `after` it went through, or in the `middle` of its body."""
    answer: Reply | None = None
    """Goes back in place of the real answer, and nothing goes on."""
    change: Callable[[Reply], Reply] | None = None
    """What becomes of the real answer."""
    rewrite: Callable[[str], str] | None = None
    """What becomes of the path and query on their way to the service."""
    midway: Callable[[], None] | None = None
    """What is done once the first part of the body went on."""
    seen: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a call is meant, and count it."""
        if (self.times is not None and self.seen >= self.times) or self.method != method:
            return False
        if not re.search(self.path, path):
            return False
        self.seen += 1
        return True


@dataclass
class FaultProxy:
    """The proxy. Rules may be added and removed at any time, from any thread."""

    upstreams: Mapping[str, str]
    """Service name -> the real endpoint, without the version."""
    tls: ssl.SSLContext | None = None
    """Speaks TLS with clients, if given."""
    calls: list[Call] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    def rule(self, method: str, path: str, **what: Any) -> Rule:
        """Add a rule; the first that matches is carried out."""
        made = Rule(method, path, **what)
        with self.lock:
            self.rules.append(made)
        return made

    def clear(self) -> None:
        """Be an honest proxy again."""
        with self.lock:
            self.rules.clear()

    def made(self, method: str, path: str) -> list[Call]:
        """Return the calls of a method whose `SERVICE/path` matches."""
        with self.lock:
            return [each for each in self.calls if each.method == method and re.search(path, each.path)]

    def rule_for(self, method: str, path: str) -> Rule | None:
        """Return the rule for a call."""
        with self.lock:
            return next((each for each in self.rules if each.matches(method, path)), None)

    @contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        """Listen on a free port of loopback during this block."""
        handler = type("Handler", (_Handler,), {"proxy": self})
        server = _Server(("127.0.0.1", 0), handler)
        if self.tls is not None:  # the handshake is left to the thread of each connection
            server.socket = self.tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def url(self, service: str, version: str) -> str:
        """Return by which URL a service is reached through the proxy."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/{service}/{version}"


def refusal(status: int, message: str = "said by the proxy", **headers: str) -> Reply:
    """Return an answer in the form of Nova's errors; headers with `_` for `-`."""
    body = json.dumps({"error": {"code": status, "message": message}}).encode()
    plain = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "application/json", **plain}, body)


def truncated(reply: Reply) -> Reply:
    """Return the first half of an answer, as if that were all."""
    return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])


def withheld(until: threading.Event, seconds: float) -> Callable[[Reply], Reply]:
    """Return what keeps an answer back until something has happened, for so many seconds at most."""

    def change(reply: Reply) -> Reply:
        until.wait(seconds)
        return reply

    return change


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that go away, and those that do not like our certificate."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def log_message(self, *_args: object) -> None:
        """Say nothing: the calls are written down."""

    def _serve(self) -> None:
        at, path = time.monotonic(), self.path.lstrip("/")
        rule = self.proxy.rule_for(self.command, path)
        body = bytearray()
        try:
            reply = self._reply(path, rule, body)
            status, size = reply.status, len(reply.body)
        except Cut:
            status, size = 0, 0
        service = path.partition("/")[0]
        with self.proxy.lock:
            self.proxy.calls.append(Call(service, self.command, path, at, bytes(body), status, rule, size))
        if status == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._answer(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815 - http.server's names

    def _reply(self, path: str, rule: Rule | None, body: bytearray) -> Reply:
        if rule is not None and rule.delay:
            time.sleep(rule.delay)
        if rule is not None and rule.answer is not None:
            for block in self._body():
                body.extend(block)
            return rule.answer
        if rule is not None and rule.cut == "before":
            body.extend(next(self._body(), b""))
            raise Cut
        rule = rule or Rule(self.command, "")
        reply = self._forward(path, body, rule)
        if rule.cut == "after":
            raise Cut
        return rule.change(reply) if rule.change is not None else reply

    def _body(self) -> Iterator[bytes]:
        """Yield the request's body as it comes in."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            block = self.rfile.read(min(left, _BLOCK))
            if not block:
                raise Cut
            left -= len(block)
            yield block

    def _forward(self, path: str, body: bytearray, rule: Rule) -> Reply:
        """Let the real service answer."""
        service, _, rest = path.partition("/")
        rest = rule.rewrite(rest) if rule.rewrite is not None else rest
        target = urlsplit(self.proxy.upstreams[service])
        upstream = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=300)
        try:
            upstream.putrequest(self.command, f"{target.path.rstrip('/')}/{rest}", skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
            if chunked:
                upstream.putheader("Transfer-Encoding", "chunked")
            upstream.endheaders()
            for block in self._body():
                if len(body) < _BLOCK:
                    body.extend(block)
                if rule.cut == "middle":
                    upstream.send(block[: len(block) // 2])
                    raise Cut
                upstream.send(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
                midway, rule.midway = rule.midway, None
                if midway is not None:
                    midway()
            if chunked:
                upstream.send(b"0\r\n\r\n")
            response = upstream.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Cut from error
        finally:
            upstream.close()

    def _answer(self, reply: Reply) -> None:
        try:
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                if name.lower() not in {*_HOP_BY_HOP, "content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)
        except OSError:
            self.close_connection = True
