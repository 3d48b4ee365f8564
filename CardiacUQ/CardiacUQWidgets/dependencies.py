"""Packages that computing needs and reviewing does not: what is missing, and how to get it in Slicer.

Called when the user presses a button, never at import or set-up. torch comes from the PyTorch extension,
which knows the graphics card; the rest through slicer.packaging, which asks before it installs.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

from slicer.i18n import tr as _

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.version import __version__

from . import computer

_MODULE_NAMES = {"simpleitk": "SimpleITK"}
_FROM_SLICER = ["torch", "torchvision", "SimpleITK", "numpy", "scipy"]
"""Packages that pip must not touch: Slicer brings its own builds, torch comes from its extension."""


def missing(requirements: Path) -> tuple[str, ...]:
    """Names in the requirements file that cannot be imported here; imports nothing."""
    names: list[str] = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        match = re.match(r"\s*([A-Za-z0-9_.-]+)", line)
        if match and not line.lstrip().startswith("#"):
            names.append(str(match[1]))
    return tuple(n for n in names if importlib.util.find_spec(_MODULE_NAMES.get(n.lower(), n)) is None)


def install(requirements: Path) -> None:
    """Install what is missing, asking first; raises UsageError with what to do if that is not possible."""
    absent = missing(requirements)
    if "torch" in absent:
        _install_torch()
    if [name for name in absent if name != "torch"]:
        _install_rest(requirements)
    still = missing(requirements)
    if still:
        raise UsageError(
            _("still missing: {names}; restart Slicer and press Check installation").format(
                names=", ".join(still)
            )
        )


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise UsageError(
            _("torch is missing; install the extension PyTorch in the Extensions Manager and restart Slicer")
        ) from None
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True)
    except Exception as error:  # a half-finished installation fails in many ways
        raise UsageError(
            _(
                "torch could not be installed ({error}); open the module PyTorch Util and install it there"
            ).format(error=error)
        ) from error
    if torch is None:
        raise UsageError(_("torch was not installed; computing needs it, reviewing does not"))


def _install_rest(requirements: Path) -> None:
    import slicer.packaging

    wanted = slicer.packaging.load_requirements(requirements)
    # The requirement that names torch itself is met by then; pip must not look at it again.
    rest = [r for r in wanted if not str(r).lower().startswith("torch")]
    try:
        slicer.packaging.pip_ensure(rest, skip_packages=_FROM_SLICER, requester="CardiacUQ")
    except RuntimeError as error:
        raise UsageError(_("the packages were not installed ({error})").format(error=error)) from error


def report(requirements: Path) -> str:
    """Plain text about this installation, to read and to paste into a question."""
    absent = missing(requirements)
    lines = [
        f"CardiacUQ {__version__}",
        f"Python {sys.version.split()[0]}, {sys.platform}",
        "torch " + (_("installed") if computer.has_torch() else _("missing")),
        _("missing packages: {names}").format(names=", ".join(absent) or _("none")),
        *(f"{name}: {words or name}" for name, words in computer.devices().items()),
        _("case folders: {folder}").format(folder=computer.results_folder()),
    ]
    return "\n".join(lines)
