"""Packages that computing needs and reviewing does not: what is missing, and how to get it in Slicer.

Called when the user presses a button, never at import or set-up. torch comes from the PyTorch extension,
which knows the graphics card; the rest through slicer.packaging, which asks before it installs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.version import __version__

from . import computer

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_MODULE_NAMES = {"simpleitk": "SimpleITK"}


def missing(requirements: Path) -> tuple[str, ...]:
    """Names in the requirements file that are not here in a version that will do; imports nothing."""
    return tuple(r.name for r in _requirements(requirements) if not _is_met(r))


def install(requirements: Path) -> None:
    """Install what is missing, asking first; raises UsageError with what to do if that is not possible."""
    wanted = [r for r in _requirements(requirements) if not _is_met(r)]
    for requirement in wanted:
        if requirement.name == "torch":
            _install_torch(str(requirement.specifier))
    rest = [str(r) for r in wanted if r.name != "torch"]
    if rest:
        _install_rest(rest)
    still = missing(requirements)
    if still:
        raise UsageError(
            _("still missing: {names}; restart Slicer and press Check installation").format(
                names=", ".join(still)
            )
        )


def _requirements(path: Path) -> list[Requirement]:
    from packaging.requirements import Requirement  # Slicer has it; only now, for the start-up

    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def _is_met(requirement: Requirement) -> bool:
    """True if a package can be imported and its version will do; one without a version is half-installed."""
    name = _MODULE_NAMES.get(requirement.name.lower(), requirement.name)
    if importlib.util.find_spec(name) is None:
        return False
    try:
        installed = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(installed, prereleases=True)


def _install_torch(version: str) -> None:
    """Through the PyTorch extension, which knows the graphics card; ``version`` such as ">=2.4"."""
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise UsageError(
            _("torch is missing; install the extension PyTorch in the Extensions Manager and restart Slicer")
        ) from None
    if importlib.util.find_spec("torch") is not None:
        raise UsageError(
            _(
                "torch is here, but not in a version that will do ({version}), or only half of it; uninstall "
                "it in the module PyTorch Util, restart Slicer and try again"
            ).format(version=version)
        )
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=version
        )
    except Exception as error:  # a half-finished installation fails in many ways
        raise UsageError(
            _(
                "torch could not be installed ({error}); open the module PyTorch Util and install it there"
            ).format(error=error)
        ) from error
    if torch is None:
        raise UsageError(_("torch was not installed; computing needs it, reviewing does not"))


def _install_rest(requirements: list[str]) -> None:
    """Through Slicer, which asks first. None of these packages depends on torch or on Slicer's own builds."""
    import slicer.packaging

    try:
        slicer.packaging.pip_ensure(requirements, requester="CardiacUQ")
    except RuntimeError as error:  # the user said no
        raise UsageError(_("the packages were not installed ({error})").format(error=error)) from error
    except subprocess.CalledProcessError as error:  # pip failed: no network, no space
        raise UsageError(
            _("pip could not install {names} (exit code {code}); the Python console says why").format(
                names=", ".join(requirements), code=error.returncode
            )
        ) from error


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
