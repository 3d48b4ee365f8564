"""A thousand requests that no page of ours sends: one line each, nothing written, nothing told."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from serving import Served

REQUESTS = 1000
PATHS = (
    "/api/cases/../../../etc/passwd",
    "/static/../session.py",
    "/static/%2e%2e%2fsession.py",
    "/static/..%2f..%2fcli/app.py",
    "/api/cases/0/labels/../../case.json",
    "/api/cases/0/maps/%00",
    "/api/cases/0/maps/segmentation",
    "/api/cases/-1",
    "/api/cases/99999999999999999999/image",
    "/api/cases/0/film/0",
    "/api/cases/0/film/999999",
    "/report/77",
    "/cohort.csv",
    "/open?token=%ff%fe",
    "/open?token=" + "a" * 5000,
    "/api/cases/0/labels/" + "x" * 3000,
    "//evil.example/",
    "/api",
    "/%",
)
BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"{}",
    b'{"revision": "0"}',
    b'{"revision": 0}',
    b'{"revision": 1e400}',
    b'{"revision": NaN, "item": "component 1"}',
    b'{"revision": true, "item": "component 1"}',
    b"[" * 100_000,
    b'{"revision": 0, "item": "component 999"}',
    b'{"revision": 0, "item": ["component 1"]}',
    b"\xff\xfe\x00",
    b'{"revision": 0, "item": "component 1", "label": 99}',
    b'{"revision": 0, "item": "component 1", "label": -1}',
    b'{"revision": 0, "item": "component 1", "runs": []}',
    b'{"revision": 0, "item": "component 1", "runs": [[0, 1]]}',
    b'{"revision": 0, "item": "component 1", "runs": [[-5, 10, 1]]}',
    b'{"revision": 0, "item": null, "runs": [[0, 9999999, 1]]}',
    b'{"revision": 0, "item": null, "runs": [[0, 1, 77]]}',
    b'{"revision": 0, "item": null, "runs": [[0, 1, 1.5]]}',
    b'{"revision": 0, "item": null, "runs": [[2147483000, 2147483000, 1]]}',
    b'{"revision": 0, "item": null, "runs": "all"}',
    b'{"revision": 0, "item": null, "runs": [[1e9, 1, 1]]}',
    b'{"revision": -3, "item": "component 1"}',
    b'{"revision": 99999999999999999999, "item": "component 1"}',
    b'{"revision": 5, "item": "component 1"}',
    b'{"revision": 0, "item": "component 1", "note": ' + b'"' + b"x" * 2000 + b'"}',
)
HOSTS = ("evil.example", "127.0.0.1", "localhost:1", "")
ORIGINS = ("http://evil.example", "null", "file://", "http://127.0.0.1:1", None)
BEGINNINGS = (b"GET ", b"POST / HTTP/1.1\r\n", b"", b"PRI * HTTP/2.0\r\n\r\n")
METHODS = ("GET", "HEAD", "PUT", "DELETE")
ACTIONS = (
    "keep",
    "accept",
    "take_2d",
    "assign",
    "flag",
    "paint",
    "undo",
    "redo",
    "delete",
    "__class__",
    "..%2fkeep",
)


def test_a_thousand_malformed_requests(served: Served, cohort: Path, capfd) -> None:
    before = {path: path.read_bytes() for path in cohort.rglob("*") if path.is_file()}
    dice = random.Random(23)
    answers = [raw(served, malformed(served, dice)) for _ in range(REQUESTS)]
    assert all(answer[:9] in (b"HTTP/1.1 ", b"") for answer in answers)
    statuses = [int(answer[9:12]) for answer in answers if answer]
    assert len(statuses) > 0.8 * REQUESTS  # to bytes that are no HTTP the server only hangs up
    assert {status // 100 for status in statuses} <= {3, 4}
    text = b"".join(answers).decode("latin-1")
    assert "Traceback" not in text and "passwd" not in text and str(cohort.parent) not in text
    output = capfd.readouterr()
    assert "Traceback" not in output.err + output.out
    after = {path: path.read_bytes() for path in cohort.rglob("*") if path.is_file()}
    assert after == before
    assert served.json("/api/cases/0")["state"]["revision"] == 0  # and it still works


def malformed(served: Served, dice: random.Random) -> bytes:
    """One request with at least one thing wrong."""
    host, origin, cookie = f"127.0.0.1:{served.port}", served.address, served.cookie
    kind = dice.randrange(6)
    if kind == 0:  # bytes that are hardly HTTP
        noise = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 200)))
        return (
            dice.choice([b"GET ", b"POST / HTTP/1.1\r\n", b"", b"PRI * HTTP/2.0\r\n\r\n"])
            + noise
            + b"\r\n\r\n"
        )
    if kind == 1:  # a way out of the fixed names
        return request(dice.choice(METHODS), dice.choice(PATHS), host, cookie, origin)
    if kind == 2:  # a wrong token, host or origin
        wrong = dice.choice(["cookie", "host", "origin", "twice"])
        names = {
            "cookie": (host, dice.choice(["", "x=1", cookie[:-1], cookie + "x", "\xe9" * 40]), origin),
            "host": (
                dice.choice(["evil.example", "127.0.0.1", "localhost:1", "", host + "\r\nHost: b"]),
                cookie,
                origin,
            ),
            "origin": (
                host,
                cookie,
                dice.choice(["http://evil.example", "null", "file://", origin + ".evil.example", None]),
            ),
            "twice": (f"{host}\r\nHost: {host}", cookie, origin),
        }[wrong]
        return request("POST", "/api/cases/0/flag", *names, body=b'{"revision": 0, "item": "component 1"}')
    if kind == 3:  # a wrong size
        length = dice.choice(["-1", "1e3", "99999999999", "4194305", "abc", "0x10"])
        return request("POST", "/api/cases/0/keep", host, cookie, origin, body=b"{}", length=length)
    if kind == 4:  # a body in pieces without a length
        head = request("POST", "/api/cases/0/keep", host, cookie, origin, extra="Transfer-Encoding: chunked")
        return head + b"2\r\n{}\r\n0\r\n\r\n"
    action, body = dice.choice(ACTIONS), dice.choice(BODIES)  # something wrong in the content
    if content_would_do(action, body):
        body = b"[]"
    return request("POST", f"/api/cases/0/{action}", host, cookie, origin, body=body)


def content_would_do(action: str, body: bytes) -> bool:
    """True for the few pairs of action and content that are in order."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(content, dict) or type(content.get("revision")) is not int or content["revision"] != 0:
        return False
    if action in ("undo", "redo"):
        return True
    known = content.get("item") == "component 1"
    return known and (
        action in ("keep", "take_2d") or (action == "flag" and len(content.get("note", "")) <= 500)
    )


def request(
    method: str,
    path: str,
    host: str,
    cookie: str,
    origin: str | None,
    *,
    body: bytes = b"",
    length: str | None = None,
    extra: str = "",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Cookie: {cookie}", "Connection: close"]
    lines += [f"Origin: {origin}"] if origin is not None else []
    lines += [extra] if extra else [f"Content-Length: {len(body) if length is None else length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def raw(served: Served, data: bytes) -> bytes:
    """What the server answers to these bytes; b"" if it only hangs up."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while block := connection.recv(1 << 16):
                answer += block
        except OSError:
            pass
        return answer
