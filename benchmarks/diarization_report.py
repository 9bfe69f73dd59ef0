"""Results of ``benchmarks.diarization`` as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import msgspec

from benchmarks.diarizers import BOUNDS, LIBRARY
from benchmarks.report import MB, spread
from benchmarks.speakers import COLLAR, COLLARS, Errors
from stenogram.scoring import Score

Results = dict[str, Any]
Row = dict[str, Any]

COMPOSITE = "composite"
SHORT = "without the composite"


def table(results: Results) -> str:
    """Everything that was measured, in Markdown."""
    parts = [
        quality(results["quality"]) if results.get("quality") else "",
        words(results["words"]) if results.get("words") else "",
        speed(results["speed"]) if results.get("speed") else "",
        long(results["long"]) if results.get("long") else "",
    ]
    return "\n".join(part for part in parts if part)


# --- errors ----------------------------------------------------------------------------------------------------------


def pooled(rows: Iterable[Row], collar: str = COLLAR) -> Errors:
    """Errors of several clips together."""
    return sum((msgspec.convert(row["errors"][collar], Errors) for row in rows), Errors())


def names_of(rows: Iterable[Row]) -> list[str]:
    """The diarizers, in order."""
    return list(dict.fromkeys(row["diarizer"] for row in rows))


def groups_of(rows: Iterable[Row]) -> list[str]:
    """The groups of clips, in order."""
    return list(dict.fromkeys(row["group"] for row in rows))


def quality(rows: Sequence[Row]) -> str:
    """Errors by clip and by group, and the targets."""
    return "\n".join([_clips(rows), _groups(rows), _targets(rows)])


def _clips(rows: Sequence[Row]) -> str:
    names = names_of(rows)
    lines = [_line(["clip", "s", "speakers", *names]), "|---" * (len(names) + 3) + "|"]
    for clip in dict.fromkeys(row["clip"] for row in rows):
        by_name = {row["diarizer"]: row for row in rows if row["clip"] == clip}
        first = next(iter(by_name.values()))
        cells = [f"{rates([by_name[name]])}; {by_name[name]['found']}" if name in by_name else "" for name in names]
        lines.append(_line([clip, f"{first['seconds']:.0f}", str(first["speakers"]), *cells]))
    return "\n".join(lines) + "\n"


def rates(rows: Sequence[Row], collar: str = COLLAR) -> str:
    """The rate and what it is made of: false alarm, missed, confusion."""
    errors = pooled(rows, collar)
    kinds = [errors.share(seconds) for seconds in (errors.false_alarm_s, errors.missed_s, errors.confusion_s)]
    return f"{errors.rate:.3f} = " + " + ".join(f"{kind:.3f}" for kind in kinds)


def _groups(rows: Sequence[Row]) -> str:
    names = names_of(rows)
    lines = [_line(["clips", "", *names]), "|---" * (len(names) + 2) + "|"]
    for group in (*groups_of(rows), SHORT, "all"):
        chosen = {name: _belonging(rows, name, group) for name in names}
        lines.append(_line([group, "DER", *(f"**{rates(chosen[name])}**" for name in names)]))
        counted = [f"{counted_right(chosen[name])} of {len(chosen[name])}" for name in names]
        lines.append(_line([group, "speakers counted right", *counted]))
        if group in {SHORT, "all"}:
            for collar in COLLARS:
                if collar != COLLAR:
                    cells = [rates(chosen[name], collar) for name in names]
                    lines.append(_line([group, f"DER, collar {collar} each side", *cells]))
            lines.append(_line([group, "CPU ms per s of audio", *(_cpu(chosen[name]) for name in names)]))
    return "\n".join(lines) + "\n"


def _cpu(rows: Sequence[Row]) -> str:
    return f"{1000 * sum(row['cpu_s'] for row in rows) / sum(row['seconds'] for row in rows):.0f}"


def _belonging(rows: Iterable[Row], name: str, group: str) -> list[Row]:
    def belongs(row: Row) -> bool:
        return bool(group == "all" or row["group"] == group or (group == SHORT and row["group"] != COMPOSITE))

    return [row for row in rows if row["diarizer"] == name and belongs(row)]


def counted_right(rows: Iterable[Row]) -> int:
    """Clips with as many speakers as there are."""
    return sum(row["speakers"] == row["found"] for row in rows)


def _targets(rows: Sequence[Row]) -> str:
    names = [name for name in names_of(rows) if name not in BOUNDS]
    if not {COMPOSITE} < set(groups_of(rows)) or not names:
        return ""
    lines = [_line(["target", *names]), "|---" * (len(names) + 1) + "|"]
    verdicts = [targets(rows, name) for name in names]
    for place, (target, _, _) in enumerate(verdicts[0]):
        cells = [f"{'yes' if each[place][1] else '**no**'}: {each[place][2]}" for each in verdicts]
        lines.append(_line([target, *cells]))
    return "\n".join(lines) + "\n"


def targets(rows: Sequence[Row], name: str) -> list[tuple[str, bool, str]]:
    """Of one diarizer: what is aimed at, whether it is reached, what it is."""
    short, composite, every = (_belonging(rows, name, group) for group in (SHORT, COMPOSITE, "all"))
    calls = _belonging(rows, name, "gecko")
    der, confusion = pooled(short).rate, pooled(short).share(pooled(short).confusion_s)
    mixed = pooled(composite).share(pooled(composite).confusion_s)
    right = counted_right(every)
    found = [
        (f"DER {SHORT} at most 0.09", der <= 0.09, f"{der:.3f}"),  # noqa: PLR2004 - the target
        (f"confusion {SHORT} at most 0.015", confusion <= 0.015, f"{confusion:.3f}"),  # noqa: PLR2004
        ("speakers counted right on 9 of 11 clips", right >= 9, f"{right} of {len(every)}"),  # noqa: PLR2004
        ("two speakers in the call", counted_right(calls) == len(calls), _found(calls)),
        ("confusion on the composite at most 0.01", mixed <= 0.01, f"{mixed:.3f}"),  # noqa: PLR2004
        ("five speakers in the composite", counted_right(composite) == len(composite), _found(composite)),
    ]
    if LIBRARY in names_of(rows):
        worse = [
            group
            for group in groups_of(rows)
            if pooled(_belonging(rows, name, group)).rate > pooled(_belonging(rows, LIBRARY, group)).rate
        ]
        found.append((f"no group of clips worse than {LIBRARY}", not worse, ", ".join(worse) or "none"))
    return found


def _found(rows: Iterable[Row]) -> str:
    return " ".join(str(row["found"]) for row in rows)


# --- words, speed, memory --------------------------------------------------------------------------------------------


def words(rows: Sequence[Row]) -> str:
    """Word errors by speaker, and those of the text alone, which they cannot be better than by much."""
    lines = ["| clip | words | | cpWER | errors | word error rate without speakers |", "|---|---|---|---|---|---|"]
    for row in rows:
        score, plain = (msgspec.convert(each, Score) for each in (row["by_speaker"], row["plain"]))
        counts = f"{score.substitutions} s, {score.deletions} d, {score.insertions} i"
        cells = [row["clip"], str(score.words), row["diarizer"], f"{score.rate:.1%}", counts, f"{plain.rate:.1%}"]
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def speed(rows: Sequence[Row]) -> str:
    """Words, speakers and both, round by round."""
    modes = {mode: [row for row in rows if row["mode"] == mode] for mode in dict.fromkeys(row["mode"] for row in rows)}
    lines = [
        "| | RTFx | CPU ms per s of audio | wall, to words | text complete, to words | CPU, to words | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for mode, runs in modes.items():
        pairs = list(zip(runs, modes["words"], strict=True))
        peaks = [run["peak_anonymous_bytes"] for run in runs]
        cells = [
            mode,
            spread(run["audio_s"] / run["wall_s"] for run in runs),
            spread(1000 * run["cpu_s"] / run["audio_s"] for run in runs),
            spread((run["wall_s"] / words["wall_s"] for run, words in pairs), 2),
            spread((run["text_s"] / words["text_s"] for run, words in pairs), 2) if mode != "speakers" else "",
            spread((run["cpu_s"] / words["cpu_s"] for run, words in pairs), 2),
            "not told" if None in peaks else spread((peak / MB for peak in peaks), 0),
        ]
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def long(row: Row) -> str:
    """A long meeting: errors, time, and memory while it went through."""
    errors = " ".join(f"(collar {collar} each side) {rates([row], collar)};" for collar in COLLARS)
    lines = [
        "| a made-up meeting with eight voices | |",
        "|---|---|",
        _line(["length", f"{row['audio_s'] / 60:.0f} minutes"]),
        _line(["seconds of audio per second of work", f"{row['audio_s'] / row['wall_s']:.1f}"]),
        _line(["from the last sound heard to the turns (clustering and all)", f"{row['end_s']:.1f} s"]),
        _line(["speakers, found", f"{row['speakers']}, {row['found']} in {row['turns']} turns"]),
        _line(["DER = false alarm + missed + confusion", errors.rstrip(";")]),
    ]
    for share, used in memory_by_quarter(row).items():
        lines.append(_line([f"anonymous memory, {share}", f"{used / MB:.0f} MB"]))
    return "\n".join(lines) + "\n"


def memory_by_quarter(row: Row) -> dict[str, float]:
    """Median anonymous memory in each quarter of the recording, and its peak."""
    quarters: dict[str, float] = {}
    quarter_s = row["audio_s"] / 4
    for place in range(4):
        used = [used for heard, used in row["memory"] if place * quarter_s <= heard < (place + 1) * quarter_s]
        if used:
            quarters[f"quarter {place + 1}"] = median(used)
    if row["peak_anonymous_bytes"] is not None:
        quarters["peak"] = float(row["peak_anonymous_bytes"])
    return quarters


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
