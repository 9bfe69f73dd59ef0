"""Results of ``benchmarks.diarization`` as Markdown tables and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from benchmarks.speakers import COLLARS, STRICT, Errors

Results = dict[str, Any]
Row = dict[str, Any]

COMPOSITE = "composite"


def quality(results: Results) -> str:
    """Errors by clip and by group, and the targets."""
    rows = results["quality"]
    return "\n".join([_clips(rows), _groups(rows), _targets(rows)])


def pooled(rows: Iterable[Row], collar: str = STRICT) -> Errors:
    """Errors of several clips together."""
    return sum((msgspec.convert(row["errors"][collar], Errors) for row in rows), Errors())


def diarizers_of(rows: Iterable[Row]) -> list[str]:
    """Their names, in order."""
    return list(dict.fromkeys(row["diarizer"] for row in rows))


def _clips(rows: Sequence[Row]) -> str:
    lines = [
        f"| clip | s | | DER, collar {STRICT} | false alarm | missed | confusion | DER, collar 0.5 | speakers | found |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row["clip"], f"{row['seconds']:.0f}", row["diarizer"], *_rates([row])]
        lines.append(_line([*cells, str(row["speakers"]), str(row["found"])]))
    return "\n".join(lines) + "\n"


def _rates(rows: Sequence[Row]) -> list[str]:
    errors = pooled(rows)
    kinds = (errors.false_alarm_s, errors.missed_s, errors.confusion_s)
    other = next(name for name in COLLARS if name != STRICT)
    shares = [f"{errors.share(seconds):.3f}" for seconds in kinds]
    return [f"{errors.rate:.3f}", *shares, f"{pooled(rows, other).rate:.3f}"]


def _groups(rows: Sequence[Row]) -> str:
    lines = [
        "| group | clips | | DER | false alarm | missed | confusion | DER, collar 0.5 | count right | RTFx |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    wanted: dict[str, Callable[[Row], bool]] = {
        group: lambda row, group=group: row["group"] == group  # type: ignore[misc]
        for group in dict.fromkeys(row["group"] for row in rows)
    }
    wanted |= {"without the composite": lambda row: row["group"] != COMPOSITE, "all": lambda _row: True}
    for group, belongs in wanted.items():
        for name in diarizers_of(rows):
            chosen = [row for row in rows if row["diarizer"] == name and belongs(row)]
            if chosen:
                speed = sum(row["seconds"] for row in chosen) / max(sum(row["wall_s"] for row in chosen), 1e-9)
                cells = [group, str(len(chosen)), name, *_rates(chosen)]
                lines.append(_line([*cells, f"{counted_right(chosen)} of {len(chosen)}", f"{speed:.1f}"]))
    return "\n".join(lines) + "\n"


def counted_right(rows: Iterable[Row]) -> int:
    """Clips with as many speakers as there are."""
    return sum(row["speakers"] == row["found"] for row in rows)


def _targets(rows: Sequence[Row]) -> str:
    names = diarizers_of(rows)
    if not {COMPOSITE} < {row["group"] for row in rows}:
        return ""
    lines = [_line(["target", *names]), "|---" * (len(names) + 1) + "|"]
    verdicts = [targets([row for row in rows if row["diarizer"] == name]) for name in names]
    for place, (target, _, _) in enumerate(verdicts[0]):
        cells = [f"{'yes' if each[place][1] else '**no**'}: {each[place][2]}" for each in verdicts]
        lines.append(_line([target, *cells]))
    return "\n".join(lines) + "\n"


def targets(rows: Sequence[Row]) -> list[tuple[str, bool, str]]:
    """Of one diarizer: what is aimed at, whether it is reached, what it is."""
    short = [row for row in rows if row["group"] != COMPOSITE]
    composite = [row for row in rows if row["group"] == COMPOSITE]
    calls = [row for row in rows if row["group"] == "gecko"]
    der, confusion = pooled(short).rate, pooled(short).share(pooled(short).confusion_s)
    mixed = pooled(composite).share(pooled(composite).confusion_s)
    right, pairs = counted_right(rows), counted_right(calls)
    five = counted_right(composite) == len(composite)
    found = " ".join(str(row["found"]) for row in composite)
    return [
        ("DER without the composite at most 0.09", der <= 0.09, f"{der:.3f}"),  # noqa: PLR2004 - the target
        ("confusion without it at most 0.015", confusion <= 0.015, f"{confusion:.3f}"),  # noqa: PLR2004
        ("speakers counted right on 9 of 11 clips", right >= 9, f"{right} of {len(rows)}"),  # noqa: PLR2004
        ("two speakers in the call", pairs == len(calls), f"{pairs} of {len(calls)}"),
        ("confusion on the composite at most 0.01", mixed <= 0.01, f"{mixed:.3f}"),  # noqa: PLR2004
        ("five speakers in the composite", five, found),
    ]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
