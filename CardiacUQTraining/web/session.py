"""Who may speak to the server: a one-time address or a password gives a cookie; all else is refused."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from starlette.datastructures import Headers

TOKEN_BYTES = 32
MOST_BODY_BYTES = 4 << 20
"""Largest request; the strokes of a whole stack are far smaller."""


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass
class Doorkeeper:
    """Keeps the tokens of one server; comparisons take the same time whatever they find.

    ``hosts`` are the values of the Host header that mean this server; ``any_number`` is the port on which
    every numeric address does as well (nobody can let a name point there), 0 for none. ``password`` is ""
    on loopback.
    ``on_used`` is called when a one-time token was used up and a new one stands in :attr:`token`.
    """

    hosts: frozenset[str]
    cookie: str
    password: str = ""
    any_number: int = 0
    on_used: Callable[[], None] = _nothing
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    _sessions: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def redeem(self, token: str) -> str | None:
        """A new session for the one-time token, which is worth nothing afterwards; None for any other."""
        with self._lock:
            if not _equal(token, self.token):
                return None
            self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.on_used()
        return self._begin()

    def log_in(self, password: str) -> str | None:
        """A new session for the password; None if it is wrong or none was set."""
        return self._begin() if self.password and _equal(password, self.password) else None

    def knows(self, session: str | None) -> bool:
        """True for a session that this server has begun."""
        return session is not None and any(_equal(session, known) for known in tuple(self._sessions))

    def refusal(self, method: str, headers: Headers, *, navigable: bool = False) -> str:
        """Why a request is refused before its session is looked at; "" if it is not.

        The Host must be ours, else a name that someone lets point to this machine would do (DNS rebinding);
        a request of another origin is refused, and one that changes something must name ours. Only what is
        ``navigable``, an empty page, may be reached by a link of another page.
        """
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_called(host):
            return "this server is not called that"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "the request comes from another page"
        if not navigable and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "the request comes from another page"
        if method not in ("GET", "HEAD") and origin is None:
            return "the request does not say which page it comes from"
        return ""

    def _is_called(self, host: str) -> bool:
        if host in self.hosts:
            return True
        address, _, port = host.rpartition(":")
        return bool(self.any_number) and port == str(self.any_number) and _is_number(address)

    def _begin(self) -> str:
        session = secrets.token_urlsafe(TOKEN_BYTES)
        self._sessions.add(session)
        return session


def _is_number(address: str) -> bool:
    try:
        ip_address(address.strip("[]"))
    except ValueError:
        return False
    return True


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8"))
