"""``cardiacuq review``: regions, decisions and painting in a browser on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.errors import UsageError

PASSWORD_VARIABLE = "CARDIACUQ_REVIEW_PASSWORD"
SHORTEST_PASSWORD = 8


def command(
    out: Annotated[Path, typer.Argument(help="A case folder, or the output folder of a cohort.")],
    reviewer: Annotated[str, typer.Option(help="Your name for the audit trail; the user's if empty.")] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Show the cases, change nothing.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 8765 or a free one if 0.")] = 0,
    host: Annotated[
        str,
        typer.Option(
            help="Address for a network that you trust; the connection is not encrypted. Asks for a "
            f"password, or takes it from {PASSWORD_VARIABLE}."
        ),
    ] = "127.0.0.1",
    export_to: Annotated[
        Path | None, typer.Option("--export-to", help="Folder for training cases; OUT-reviewed if not given.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Review cases in a browser: doubtful regions in order of need, decisions by one key, a brush.

    The page is served on this machine alone; every decision is in the case folder before it is answered,
    and Slicer goes on where the browser stopped. Ctrl-C ends it.
    """
    from ..web.server import LOOPBACK, Serving, serve

    password = "" if host == LOOPBACK else _password()
    options = Serving(
        reviewer=reviewer.strip(),
        host=host,
        port=port,
        password=password,
        read_only=read_only,
        browser=not no_browser,
        exports=export_to,
    )
    serve(out, options, lambda line: typer.echo(line))


def _password() -> str:
    given = os.environ.get(PASSWORD_VARIABLE) or typer.prompt("Password for the readers", hide_input=True)
    if len(given) < SHORTEST_PASSWORD:
        raise UsageError(f"the password has fewer than {SHORTEST_PASSWORD} letters; give a longer one")
    return given
