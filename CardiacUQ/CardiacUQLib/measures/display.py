"""Sizes in words: one sensible digit, the unit, the interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .size_catalogue import SIZES, unit_of

SIZE_NAMES = {info.key: info.label for info in SIZES}
"""Label of every size by key."""
INTERVAL_FIELDS = ("interval", "level", "calibrated", "distribution")
"""What an entry of ``measures.json`` says beyond the value itself."""


def digits(value: float) -> str:
    """Whole numbers from 10 on and at 0, one decimal below; never "-0"."""
    rounded = round(float(value), 1)
    if abs(rounded) >= 10 or rounded == 0 or rounded == int(rounded):
        return f"{round(float(value)) + 0:d}"
    return f"{rounded:.1f}"


def size_text(key: str, entry: Mapping[str, Any]) -> str:
    """One size of ``measures.json`` as "18 % (90 %: 13-24)"; a raw spread is called "passes", no 90 %."""
    if entry["value"] is None:
        return "not defined"
    text = f"{digits(entry['value'])} {unit_of(key)}"
    interval = entry.get("interval")
    if interval is None:
        return text
    about = f"{100 * entry['level']:.0f} %" if entry["calibrated"] else "passes"
    return f"{text} ({about}: {digits(interval[0])}-{digits(interval[1])})"


def telling_sizes(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes worth a line: shares of an MVO that is not drawn say no more than its volume, and volumes of
    a phase are those of the pair."""
    absent = "mvo_volume_ml" in sizes and sizes["mvo_volume_ml"]["value"] == 0
    idle = {key for key in sizes if absent and key.startswith("mvo_share")}
    idle |= {"lv_volume_ml", "rv_volume_ml"} if "edv_ml" in sizes else set()
    return {key: entry for key, entry in sizes.items() if key not in idle}


def without_intervals(measures: Mapping[str, Any]) -> dict[str, Any]:
    """The same measures for a scan of which nothing that was measured on others holds: sizes of what was
    drawn, without intervals and spread, in the headline and in the phases of a cine too."""
    content = dict(measures)
    if "sizes" in content:
        bare = dict.fromkeys(INTERVAL_FIELDS)
        content["sizes"] = {key: {**entry, **bare} for key, entry in content["sizes"].items()}
    content |= {phase: without_intervals(content[phase]) for phase in ("ed", "es") if phase in content}
    return content | ({"headline": headline(content)} if "headline" in content else {})


def headline(measures: Mapping[str, Any]) -> str:
    """The one line a clinician reads first, from the content of ``measures.json``."""
    sizes = measures.get("sizes", {})
    if measures.get("kind") == "lge":
        return _lge_headline(sizes, measures.get("presence", {}))
    if measures.get("kind") == "cine":
        return f"EF {size_text('ef_percent', sizes['ef_percent'])}, " + ", ".join(
            f"{short} {size_text(key, sizes[key])}"
            for short, key in (("EDV", "edv_ml"), ("ESV", "esv_ml"), ("LV mass", "lv_mass_g"))
        )
    return ", ".join(
        f"{SIZE_NAMES[key]} {size_text(key, sizes[key])}"
        for key in ("lv_volume_ml", "rv_volume_ml", "lv_mass_g")
        if key in sizes
    )


def _lge_headline(sizes: Mapping[str, Any], presence: Mapping[str, float]) -> str:
    share = sizes["infarct_share_of_lv_percent"]
    if share["value"] is None:
        return "No myocardium found"
    chance = presence.get("infarct")
    if sizes["infarct_volume_ml"]["value"] == 0:
        interval = share.get("interval")
        possible = interval[1] if interval and share["calibrated"] else 0.0
        known = [] if chance is None else [f"probability {chance:.2f}"]
        known += [f"up to {digits(possible)} % of LV mass"] if possible > 0 else []
        return "No infarct found" + (f" ({', '.join(known)})" if known else "")
    text = size_text("infarct_share_of_lv_percent", share).replace(" %", " % of LV mass", 1)
    if "mvo_volume_ml" not in sizes:
        return f"Infarct {text}"
    mvo = sizes["mvo_volume_ml"]["value"]
    if (chance := presence.get("MVO")) is not None:
        return (
            f"Infarct {text}, MVO probability {chance:.2f} ({f'{digits(mvo)} ml' if mvo else 'none drawn'})"
        )
    return f"Infarct {text}, " + (f"MVO present ({digits(mvo)} ml)" if mvo > 0 else "no MVO found")
