"""Results as a Markdown table and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from stenogram.scoring import Score

Results = dict[str, Any]
Row = dict[str, Any]

MB = 1e6
OURS = "stenogram"


def table(results: Results) -> str:
    """Everything, in Markdown."""
    parts = [_heading(results), _speed(results), _ratios(results), _stages(results), _starts(results)]
    return "\n".join([*parts, _accuracy(results)]).rstrip() + "\n"


def spread(values: Iterable[float], digits: int = 1) -> str:
    """Median, with the smallest and the largest in brackets."""
    found = sorted(values)
    return f"{median(found):.{digits}f} [{found[0]:.{digits}f}-{found[-1]:.{digits}f}]"


def chosen(results: Results, recording: str, contestant: str) -> list[Row]:
    """The runs of one contestant on one recording, in the order of the rounds."""
    return [row for row in results["speed"] if row["recording"] == recording and row["contestant"] == contestant]


def recordings_of(results: Results) -> list[str]:
    """Their names, in order."""
    return list(dict.fromkeys(row["recording"] for row in results["speed"]))


def rtfx(row: Row) -> float:
    """Seconds of audio per second of work, weights in memory."""
    return float(row["audio_s"] / row["work_s"])


def _heading(results: Results) -> str:
    machine = results["machine"]
    load = machine["load_average"]
    busy = f", load average {load[0]:.1f} at the start" if load else ""
    return f"{machine['cpus']} CPUs, {machine['platform']}, Python {machine['python']}{busy}. Median [min-max].\n"


def _speed(results: Results) -> str:
    lines = [
        "| recording | | RTFx | CPU ms per s | load s | whole process s | peak RSS MB | peak anonymous MB | words |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for recording in recordings_of(results):
        for name in results["contestants"]:
            rows = chosen(results, recording, name)
            cells = [
                recording,
                name,
                spread(map(rtfx, rows)),
                spread(1000 * row["work_cpu_s"] / row["audio_s"] for row in rows),
                spread((row["load_s"] for row in rows), 2),
                spread((row["wall_s"] for row in rows), 1),
                spread((row["peak_rss_bytes"] / MB for row in rows), 0),
                _anonymous(rows),
                f"{median(row['words'] for row in rows):.0f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _anonymous(rows: Sequence[Row]) -> str:
    found = [row["peak_anonymous_bytes"] for row in rows]
    return "not told" if None in found else spread((value / MB for value in found), 0)


def _ratios(results: Results) -> str:
    others = [name for name in results["contestants"] if name != OURS]
    lines = ["| recording | ours to | RTFx, pair by pair | CPU time | whole process |", "|---|---|---|---|---|"]
    for recording in recordings_of(results):
        for other in others:
            pairs = list(zip(chosen(results, recording, OURS), chosen(results, recording, other), strict=True))
            ratios = [
                spread((theirs[what] / ours[what] for ours, theirs in pairs), 2)
                for what in ("work_s", "work_cpu_s", "wall_s")
            ]
            lines.append("| " + " | ".join([recording, other, *ratios]) + " |")
    return "\n".join(lines) + "\n"


def stages_of(results: Results, recording: str) -> dict[str, float]:
    """CPU milliseconds per second of audio by stage: medians of our runs; ``rest`` is what no stage claims."""
    rows = chosen(results, recording, OURS)
    names = [name for name in rows[0]["stages"] if name != "load"]
    found = {name: median(1000 * row["stages"][name] / row["audio_s"] for row in rows) for name in names}
    whole = median(1000 * row["work_cpu_s"] / row["audio_s"] for row in rows)
    return found | {"rest": whole - sum(found.values())}


def _stages(results: Results) -> str:
    split = {recording: stages_of(results, recording) for recording in recordings_of(results)}
    names = list(next(iter(split.values())))
    lines = ["| CPU ms per s of audio | " + " | ".join(names) + " | all |", "|---" * (len(names) + 2) + "|"]
    for recording, stages in split.items():
        whole = sum(stages.values())
        cells = [f"{stages[name]:.2f} ({stages[name] / whole:.0%})" for name in names]
        lines.append("| " + " | ".join([recording, *cells, f"{whole:.2f}"]) + " |")
    return "\n".join(lines) + "\n"


def _starts(results: Results) -> str:
    lines = ["| our command, process start to exit | s |", "|---|---|"]
    lines += [f"| {name} | {spread(values, 2)} |" for name, values in results["starts"].items()]
    return "\n".join(lines) + "\n"


GROUPS: dict[str, Callable[[Row], bool]] = {
    "all clips": lambda _row: True,
    "without the composite": lambda row: row["group"] != "composite",
    "LibriSpeech": lambda row: row["group"] == "LibriSpeech",
    "neither": lambda row: row["group"] == "others",
    "composite": lambda row: row["group"] == "composite",
}


def _accuracy(results: Results) -> str:
    names = results["contestants"]
    lines = [
        "| word error rate, pooled | clips | words | " + " | ".join(names) + " | recorded for the library |",
        "|---" * (len(names) + 4) + "|",
    ]
    for group, belongs in GROUPS.items():
        rows = [row for row in results["accuracy"] if belongs(row)]
        if not rows:
            continue
        by_name = [[row for row in rows if row["contestant"] == name] for name in names]
        first = by_name[0]
        words = sum(row["words"] for row in first)
        recorded = sum((row["recorded_rate"] or 0.0) * row["words"] for row in first) / words
        cells = [group, str(len(first)), str(words), *map(_rate, by_name), f"{recorded:.1%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n" if results["accuracy"] else ""


def _rate(rows: Sequence[Row]) -> str:
    score = sum(
        (Score(row["words"], row["substitutions"], row["deletions"], row["insertions"]) for row in rows), Score()
    )
    return f"{score.rate:.1%} ({score.substitutions} s, {score.deletions} d, {score.insertions} i)"


def plot(results: Results, path: Path) -> None:
    """RTFx of everybody, and where our time goes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names, sources = results["contestants"], recordings_of(results)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        found = [sorted(map(rtfx, chosen(results, source, name))) for source in sources]
        middle = [median(values) for values in found]
        bars = left.bar(
            [index + place * width for index in range(len(sources))],
            middle,
            width,
            label=name,
            yerr=[
                [m - values[0] for m, values in zip(middle, found, strict=True)],
                [values[-1] - m for m, values in zip(middle, found, strict=True)],
            ],
            capsize=3,
        )
        left.bar_label(bars, fmt="%.0f", padding=2)
    left.set_xticks([index + width * (len(names) - 1) / 2 for index in range(len(sources))], sources, fontsize=8)
    left.set_title("Seconds of audio per second of work (median, min to max)", fontsize=10)
    left.legend(frameon=False)
    base = [0.0] * len(sources)
    split = [stages_of(results, source) for source in sources]
    for stage in split[0]:
        values = [max(stages[stage], 0.0) for stages in split]
        right.bar(sources, values, 0.5, bottom=base, label=stage)
        base = [bottom + value for bottom, value in zip(base, values, strict=True)]
    right.set_title("stenogram: CPU ms per second of audio, by stage", fontsize=10)
    right.tick_params(axis="x", labelsize=8)
    right.legend(frameon=False, reverse=True, loc="center left", bbox_to_anchor=(1, 0.5))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(y=0.15)
    figure.savefig(path, dpi=150)
