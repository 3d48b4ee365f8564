"""The server from its options to its end: socket, address, browser, and everything in line when it stops."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from CardiacUQLib.base.errors import UsageError

from ..cohort.renewal import renew_tables
from .cases import Cases
from .guard import Guard
from .publisher import Publisher
from .routes import Routes
from .session import Doorkeeper

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
USUAL_PORT = 8765
M_MMAP_THRESHOLD = -3
"""Parameter of glibc's ``mallopt``: blocks above it are the system's own. Setting it also keeps it fixed."""
LARGE_BYTES = 1 << 18


@dataclass(frozen=True)
class Serving:
    """How to serve; ``port`` 0 takes :data:`USUAL_PORT` or a free one, ``password`` is for other hosts."""

    reviewer: str = ""
    host: str = LOOPBACK
    port: int = 0
    password: str = ""
    read_only: bool = False
    browser: bool = True
    exports: Path | None = None


def serve(out: Path, options: Serving, say: Callable[[str], None]) -> None:
    """Serve the cases of ``out`` until Ctrl-C; ``say`` is told the address and what it means.

    Raises InputError if there is no case, UsageError for an address that cannot be taken or a host
    without a password.
    """
    if options.host != LOOPBACK and not options.password:
        raise UsageError(f"--host {options.host} opens the cases to a network; that needs a password")
    _give_memory_back()
    cases = Cases(out, options.reviewer, options.exports or _beside(out))
    with contextlib.closing(bound(options)) as listening:
        port = listening.getsockname()[1]
        address = f"http://{options.host}:{port}"
        app, doorkeeper, publisher = build(cases, options, address)
        doorkeeper.on_used = lambda: say(f"For another browser: {address}/open?token={doorkeeper.token}")
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, server_header=False, ws="none", http="h11",
            lifespan="off", timeout_graceful_shutdown=2,
        )  # fmt: skip
        _renew(out, options, address)
        _greet(cases, options, f"{address}/open?token={doorkeeper.token}", say)
        try:
            uvicorn.Server(config).run([listening])
        except KeyboardInterrupt:
            pass
        finally:
            publisher.finish()
            _renew(out, options, "")
    say("Ended; every decision is in the case folders.")


def build(cases: Cases, options: Serving, address: str) -> tuple[Guard, Doorkeeper, Publisher]:
    """The application behind its guard; the publisher is to be finished at the end."""
    port = int(address.rpartition(":")[2])
    everywhere = options.host == EVERYWHERE
    names = {options.host, "localhost" if options.host == LOOPBACK else socket.gethostname()}
    hosts = frozenset(f"{name}:{port}" for name in names)
    doorkeeper = Doorkeeper(hosts, f"cardiacuq_{port}", options.password, port if everywhere else 0)
    publisher = Publisher(cases, address)
    routes = Routes(cases, doorkeeper, publisher, read_only=options.read_only)
    return Guard(Starlette(routes=routes.table()), doorkeeper), doorkeeper, publisher


def _give_memory_back() -> None:
    """Let arrays that are let go return to the system at once; glibc would keep them, thread by thread."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # other C libraries have no such setting
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def _renew(out: Path, options: Serving, address: str) -> None:
    """Bring the tables in line; a cohort that may only be looked at stays as it is."""
    if not options.read_only:
        with contextlib.suppress(OSError):
            renew_tables(out, address)


def _greet(cases: Cases, options: Serving, address: str, say: Callable[[str], None]) -> None:
    count = len(cases.folders)
    say(f"{count} case{'s' * (count != 1)}{', only to look at' if options.read_only else ''}. Ctrl-C ends.")
    if options.password:
        say(
            "Everyone in the network who knows the password can see"
            f"{'' if options.read_only else ' and change'} the cases, and nothing is encrypted: only for "
            "networks that you trust."
        )
        name = socket.gethostname() if options.host == EVERYWHERE else options.host
        say(f"Address: http://{name}:{address.split(':')[2].split('/')[0]}/")
        return
    say(f"Address, good for one browser: {address}")
    if options.browser:
        webbrowser.open(address)


def _beside(out: Path) -> Path:
    """Where training cases go: beside the cases, never among them."""
    return out.absolute().with_name(f"{out.absolute().name}-reviewed")


def bound(options: Serving) -> socket.socket:
    """A socket that listens where the options say; raises UsageError if it cannot."""
    ports = [options.port] if options.port else [USUAL_PORT, 0]
    reason: str | None = None
    for port in ports:
        try:
            return socket.create_server((options.host, port))
        except OSError as error:
            reason = error.strerror
    raise UsageError(
        f"http://{options.host}:{options.port}: this address cannot be taken ({reason}); "
        "choose another --port"
    )
