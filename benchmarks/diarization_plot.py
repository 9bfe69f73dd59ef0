"""Results of ``benchmarks.diarization`` as a plot: what the errors are made of, and memory over a long meeting."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.diarization_report import COMPOSITE, SHORT, groups_of, names_of, pooled
from benchmarks.report import MB

KINDS = {"false alarm": "false_alarm_s", "missed": "missed_s", "confusion": "confusion_s"}
COLOURS = ("#9ecae1", "#4292c6", "#d94801")
TARGET = 0.09


def plot(results: dict[str, Any], path: Path) -> None:
    """What there is of ``quality`` and ``long``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 4.8), layout="constrained", width_ratios=(2, 1))
    if results.get("quality"):
        _errors(left, results["quality"])
    if results.get("long"):
        _memory(right, results["long"])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _errors(axes: Any, rows: list[dict[str, Any]]) -> None:
    names, groups = names_of(rows), [SHORT, *groups_of(rows)]
    width = 0.8 / len(names)
    ticks, labels = [], []
    for place, group in enumerate(groups):
        for which, name in enumerate(names):
            chosen = [row for row in rows if row["diarizer"] == name and _in(row, group)]
            errors, base, at = pooled(chosen), 0.0, place + which * width
            for (kind, field), colour in zip(KINDS.items(), COLOURS, strict=True):
                share = errors.share(getattr(errors, field))
                label = kind if place == which == 0 else None
                axes.bar(at, share, 0.9 * width, bottom=base, color=colour, label=label)
                base += share
            told = f"{base:.3f}".removeprefix("0")
            axes.annotate(told, (at, base), (0, 2), textcoords="offset points", ha="center", fontsize=7)
            ticks.append(at)
            labels.append(name)
        axes.text(place + width * (len(names) - 1) / 2, -0.33, group, ha="center", fontsize=9, transform=_below(axes))
    edges = -width / 2, width * (len(names) - 0.5)
    axes.hlines(TARGET, *edges, colors="black", linestyles="dotted", zorder=0, label=f"aim, {SHORT}")
    axes.set_xticks(ticks, labels, fontsize=7, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_title("Diarization error rate, collar 0.25 s each side, overlap scored", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _below(axes: Any) -> Any:
    """Places along the axis, heights as shares of the plot."""
    return axes.get_xaxis_transform()


def _in(row: dict[str, Any], group: str) -> bool:
    return bool(row["group"] == group or (group == SHORT and row["group"] != COMPOSITE))


def _memory(axes: Any, long: dict[str, Any]) -> None:
    heard, used = _thin(long["memory"])
    axes.plot([seconds / 60 for seconds in heard], [each / MB for each in used], color=COLOURS[1])
    axes.set_ylim(0, 1.2 * max(used, default=0) / MB)
    axes.set_xlabel("minutes of the recording that are through", fontsize=8)
    axes.set_title("Diarization alone, eight voices: anonymous memory, MB", fontsize=10)


def _thin(memory: Iterable[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """The most that was used at each place, so that no peak is lost."""
    most: dict[float, int] = {}
    for heard, used in memory:
        most[heard] = max(used, most.get(heard, 0))
    return list(most), list(most.values())
