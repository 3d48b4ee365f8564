"""Figures of an evaluation on their way into the manifest and the model card of a bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.bundles.bundle import MODEL_CARD, Bundle, write_manifest

from ...datasets.catalogue import dataset_info
from ...export.model_card import model_card

PLACES = {"--data": "DIR", "-o": "OUT", "--output": "OUT"}
"""Options whose value says where things lie on one computer, and what stands for it elsewhere."""
NAMED = ("--model", "--against")
"""Options whose value is told by the folder's name alone."""


def store_metrics(bundle: Bundle, title: str, command: str, figures: Mapping[str, str]) -> None:
    """Write ``figures`` as the section ``title`` of the manifest's metrics and write the model card anew.

    An older section of that title is replaced, the others stay. For every kind of bundle.
    """
    metrics = {**bundle.manifest.metrics, title: {"command": command, **figures}}
    manifest = dataclasses.replace(bundle.manifest, metrics=metrics)
    write_manifest(manifest, bundle.folder)
    card = bundle.folder / MODEL_CARD
    write_whole(card, model_card(manifest))


def section_title(dataset: str, *, cross_validated: bool) -> str:
    """Heading of a data set's figures on the card."""
    kind = "cross-validated" if cross_validated else "external test"
    return f"{dataset_info(dataset).title}, {kind}"


def check_unseen(trained_on: Sequence[str]) -> None:
    """Raise UsageError if figures come from networks that had seen the cases: no card may show them."""
    if trained_on:
        raise UsageError(
            f"--store-metrics: {len(trained_on)} cases, such as {trained_on[0]}, were training data of the "
            "folds that judged them; use --cross-validated"
        )


def command_without_places(arguments: Sequence[str]) -> list[str]:
    """Command-line words without what holds on one computer only: placeholders for folders, a model by its
    name. ``--option=value`` is understood."""
    found: list[str] = []
    for word in arguments:
        option, equals, value = word.partition("=")
        if equals and option.startswith("-"):
            word = f"{option}={_public(option, value)}"
        elif found:
            word = _public(found[-1], word)
        found.append(word)
    return found


def _public(option: str, value: str) -> str:
    return Path(value).name if option in NAMED else PLACES.get(option, value)
