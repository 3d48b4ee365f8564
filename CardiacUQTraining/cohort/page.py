"""``cohort.html``: one self-contained page on a whole cohort, those that need a human first."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from CardiacUQLib.base.duration import duration
from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.base.version import __version__
from CardiacUQLib.measures.display import SIZE_NAMES, digits
from CardiacUQLib.measures.size_catalogue import unit_of
from CardiacUQLib.uncertainty.verdict import Word

from .case import Row, State
from .features import UNCERTAINTIES
from .flags import WORDS, outliers
from .histogram import histograms, number
from .table import DOUBTS, TABLE, doubt, in_order_of_need

PAGE = "cohort.html"
MOST_MEASURES = 3
MAIN_SIZES = (
    "infarct_share_of_lv_percent", "infarct_volume_ml", "mvo_volume_ml", "ef_percent", "edv_ml", "lv_mass_g",
    "blood_pool_volume_ml", "lv_volume_ml",
)  # fmt: skip
_TITLES = {
    **WORDS,
    **{key: f"{name.info.title} of the heart, mean" for name, key in UNCERTAINTIES.items()},
    "risk": "Risk of a low Dice",
    "predicted_dice_mean": "Predicted mean Dice",
    "regions": "Places to look at",
    "corrected_share": "Share in which the stages differ",
}


def write_page(rows: Sequence[Row], out: Path, address: str = "") -> Path | None:
    """Write ``out/cohort.html``, whole or not at all; None without the packages that draw it.

    ``address`` is that of a running ``cardiacuq review``, into which every case is linked. Raises
    OSError if it cannot be written.
    """
    if importlib.util.find_spec("jinja2") is None:
        return None
    return write_whole(out / PAGE, render_page(rows, out.resolve().name, address))


def render_page(rows: Sequence[Row], name: str, address: str = "") -> str:
    """The page as HTML; links lead to the case folders beside it, and to the review at ``address``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ordered = in_order_of_need(rows)
    apart = outliers(rows)
    shown = [key for key in MAIN_SIZES if any(key in row.measures for row in ordered)][:MOST_MEASURES]
    states = {state.value: sum(row.state is state for row in ordered) for state in State}
    return environment.get_template(PAGE).render(
        name=name,
        today=datetime.now(UTC).date().isoformat(),
        version=__version__,
        table=TABLE,
        states=states,
        look=sum(row.state is State.DONE and _strange(row, apart) for row in ordered),
        seconds=_usual_time(ordered),
        bundles=sorted({row.bundle for row in ordered if row.bundle}),
        histograms=histograms(ordered, apart, titles()),
        links={row.name: _link(row) for row in ordered if row.state is State.DONE},
        columns=[(_title(key), unit_of(key)) for key in shown],
        doubt_title=_doubt_title(ordered),
        rows=[_entry(rank, row, shown, apart, address) for rank, row in enumerate(ordered, 1)],
    )


def _entry(
    rank: int, row: Row, shown: Sequence[str], apart: dict[str, tuple[str, ...]], address: str
) -> dict[str, Any]:
    unsure = doubt(row)
    values = [row.measures.get(key) for key in shown]
    return {
        "rank": rank,
        "name": row.name,
        "state": row.state.value,
        "strange": row.state is State.DONE and _strange(row, apart),
        "word": row.verdict or ("look" if _strange(row, apart) else row.state.value),
        "verdict_reason": row.verdict_reason,
        "link": _link(row) if row.state is State.DONE else "",
        "review": row.review,
        "review_link": _review_link(row, address) if address and row.state is State.DONE else "",
        "reason": row.reason,
        "headline": row.headline,
        "flags": row.flags,
        "apart": [_inside_a_sentence(key) for key in apart.get(row.name, ())],
        "warnings": row.warnings,
        "values": ["" if value is None else digits(value) for value in values],
        "doubt": "" if unsure is None else f"{unsure:.3f}",
        "regions": _whole(row.uncertainty.get("regions")),
        "time": duration(row.seconds) if row.seconds >= 10 else f"{row.seconds:.1f} s" if row.seconds else "",
        "memory": f"{row.peak_memory_mb / 1000:.1f} GB" if row.peak_memory_mb else "",
        "tries": row.tries,
        "source": row.source,
    }


def _strange(row: Row, apart: dict[str, tuple[str, ...]]) -> bool:
    """Whether a case needs a look: by its verdict, and only without one by flags and by its cohort."""
    if row.verdict:
        return row.verdict != Word.TRUST
    return bool(row.flags or apart.get(row.name))


def _link(row: Row) -> str:
    return quote(row.report or row.name)


def _review_link(row: Row, address: str) -> str:
    """The case in the running review; of a cine end-diastole, from which the page leads to the other."""
    folder = row.report.partition("/")[0] or row.name
    return f"{address}/#{quote(folder)}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _title(key: str) -> str:
    return SIZE_NAMES.get(key) or key.rpartition("_")[0].replace("_", " ").capitalize()


def _inside_a_sentence(key: str) -> str:
    """The name of a quantity with a small first letter, unless it starts with an abbreviation."""
    name = SIZE_NAMES.get(key) or _TITLES.get(key) or _title(key)
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]


def titles() -> dict[str, str]:
    """Name of every number of a row for people, sizes with their units."""
    return {**{key: f"{name} ({unit_of(key)})" for key, name in SIZE_NAMES.items()}, **_TITLES}


def _doubt_title(rows: Sequence[Row]) -> str:
    keys = [key for key in DOUBTS if any(key in row.uncertainty for row in rows)]
    return _TITLES[keys[0]] if keys else "Uncertainty"


def _usual_time(rows: Sequence[Row]) -> str:
    times = sorted(row.seconds for row in rows if row.state is State.DONE and row.seconds)
    return f"{number(times[len(times) // 2])} s" if times else ""
