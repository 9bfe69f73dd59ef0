"""Whose voice is whose over the whole recording: runs of many windows to speakers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stenogram.diarization.windows import FRAME_S, SURE_S, Run
from stenogram.types import DiarizeOptions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Integers = npt.NDArray[np.int64]

RULES = 1
"""Raise by one whenever the same voices may become other speakers."""

DISTANCE = 0.5
"""Voices further apart than this are two people (cosine distance, average linkage)."""
STRANGER = 0.2
"""A voice heard only shortly is somebody new where it is less like every known one than this (cosine similarity)."""
BRIEF_S = 0.5
"""Heard for less, nobody is somebody new."""
LEAST_SHARE, LEAST_S = 0.02, 6.0
"""Who speaks for less than this share of all speech, and less than so many seconds, is taken for somebody else: a
cough, a laugh, a word in noise are like no voice, and the longer the recording, the more of them there are."""
DOUBLE = 0.6
"""Who speaks for less than ``LEAST_SHARE``, however long that is, and sounds like somebody else (cosine similarity), is
that one in another mood: the mean of many voices of one person is nearer to another such mean than the voices are."""
OWN_S = 1.0
"""A run of this length is judged half by its own voice and half by that of its unit."""
AT_ONCE = 0.5
"""Runs of two local speakers that share more of the shorter one than this are two people."""
MOST = 1500
"""More units than this are first joined in groups (the distances of n units take n * n / 2 numbers)."""
_GROUP = 500
_ALIKE = 0.3
"""Distance up to which units of a group are joined before."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Runs that are one person for sure."""

    runs: tuple[Run, ...]
    voice: Floats
    heard_s: float


def cluster(runs: Sequence[Run], options: DiarizeOptions, step_frames: float) -> list[int]:
    """The speaker of each run, from 0; -1 for a run without any voice near it.

    ``step_frames``: from the start of a window to that of the next.
    """
    units = _units_of(runs)
    if not units:
        return [0] * len(runs)  # nobody can be told from anybody
    sure = [unit for unit in units if unit.heard_s >= SURE_S] or units
    brief = [unit for unit in units if unit.heard_s < SURE_S] if len(sure) < len(units) else []
    speakers = _speakers(sure, brief, options, step_frames)
    return _assign(runs, units, speakers)


def _units_of(runs: Sequence[Run]) -> list[_Unit]:
    import numpy as np

    grouped: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for run in runs:
        grouped[run.window, run.unit].append(run)
    found = []
    for members in grouped.values():
        able = [run for run in members if run.voice is not None]
        if able:
            weights = [max(run.heard_s, FRAME_S) for run in able]
            voice = np.average([run.embedding() for run in able], axis=0, weights=weights)
            voice = (voice / np.linalg.norm(voice)).astype(np.float32)
            found.append(_Unit(tuple(members), voice, sum(run.heard_s for run in members)))
    return found


def _speakers(sure: Sequence[_Unit], brief: Sequence[_Unit], options: DiarizeOptions, step_frames: float) -> Floats:
    """The voice of each speaker ``[K, VOICE]``."""
    import numpy as np

    voices = np.array([unit.voice for unit in sure])
    tree = _Tree(voices, np.array([unit.heard_s for unit in sure]))
    spoken = _Spoken(sure, step_frames)
    labels = tree.cut(DISTANCE)
    kept = spoken.lasting(labels) or spoken.longest(labels)[:1]
    fewest = options.num_speakers or options.min_speakers or 1
    most = options.num_speakers or options.max_speakers or len(sure)
    if not fewest <= len(kept) <= most:
        labels, kept = _forced(tree, spoken, fewest if len(kept) < fewest else most)
    weights = np.array([max(unit.heard_s, FRAME_S) for unit in sure], np.float32)[:, None]
    centres = np.array([(voices * weights)[labels == label].sum(0) for label in kept])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    centres = centres[_distinct(centres, [spoken.seconds_of(labels)[label] < spoken.rare_s for label in kept], fewest)]
    room = most - len(centres)
    return np.concatenate([centres, _strangers(brief, centres, spoken)[:room]]) if room > 0 else centres


def _distinct(centres: Floats, rare: Sequence[bool], fewest: int) -> list[int]:
    """Without those who speak rarely and sound like somebody who speaks more; the longest speaker comes first."""
    left = list(range(len(centres)))
    for place in reversed(range(1, len(centres))):
        others = [other for other in left if other < place]
        if rare[place] and len(left) > fewest and (centres[others] @ centres[place]).max() >= DOUBLE:
            left.remove(place)
    return left


def _forced(tree: _Tree, spoken: _Spoken, wanted: int) -> tuple[Integers, list[int]]:
    """A cut with as many lasting clusters as wanted; where there are none, the longest of the first cut so deep."""
    for clusters in range(wanted, min(4 * wanted + 20, tree.size) + 1):
        labels = tree.cut_into(clusters)
        kept = spoken.lasting(labels)
        if len(kept) >= wanted:
            return labels, kept[:wanted]
    labels = tree.cut_into(wanted)
    return labels, spoken.longest(labels)[:wanted]


def _strangers(brief: Sequence[_Unit], centres: Floats, spoken: _Spoken) -> Floats:
    """Voices that were heard shortly and are like nobody else's."""
    import numpy as np

    new = [unit for unit in brief if unit.heard_s >= BRIEF_S and (centres @ unit.voice).max() < STRANGER]
    if not new:
        return np.empty((0, centres.shape[1]), np.float32)
    tree = _Tree(np.array([unit.voice for unit in new]), np.array([unit.heard_s for unit in new]))
    labels = tree.cut(DISTANCE)
    kept = _Spoken(new, spoken.step_frames, spoken.least_s).lasting(labels)
    voices = np.array([unit.voice for unit in new])
    found = [voices[labels == label].mean(0) for label in kept]
    return np.array([voice / np.linalg.norm(voice) for voice in found], np.float32).reshape(-1, centres.shape[1])


class _Tree:
    """Average-linkage clustering of voices, cut at will."""

    def __init__(self, voices: Floats, weights: Floats) -> None:
        """``voices`` ``[n, VOICE]`` of length 1 in the order of the recording, ``weights`` ``[n]``."""
        from scipy.cluster.hierarchy import linkage

        self._leaf, leaves = _condensed(voices, weights)
        self.size = len(leaves)
        """Voices that can be told apart."""
        self._links = linkage(leaves, "average", metric="cosine") if len(leaves) > 1 else None

    def cut(self, distance: float) -> Integers:
        """The cluster of each voice, where no two clusters are nearer than ``distance``."""
        return self._cut(distance, "distance")

    def cut_into(self, clusters: int) -> Integers:
        """The cluster of each voice, of at most so many."""
        return self._cut(clusters, "maxclust")

    def _cut(self, value: float, criterion: str) -> Integers:
        import numpy as np
        from scipy.cluster.hierarchy import fcluster

        if self._links is None:
            return np.zeros(len(self._leaf), np.int64)
        return (fcluster(self._links, value, criterion) - 1)[self._leaf].astype(np.int64)  # type: ignore[no-any-return]


def _condensed(voices: Floats, weights: Floats) -> tuple[Integers, Floats]:
    """At most some ``MOST`` voices, each the mean of neighbours that are much alike, and which one each became."""
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage

    member, alike = np.arange(len(voices)), _ALIKE
    while len(voices) > MOST:
        labels = np.empty(len(voices), np.int64)
        found = 0
        for start in range(0, len(voices), _GROUP):
            group = voices[start : start + _GROUP]
            inner = fcluster(linkage(group, "average", metric="cosine"), alike, "distance") if len(group) > 1 else [1]
            labels[start : start + _GROUP] = np.asarray(inner) - 1 + found
            found = int(labels[: start + _GROUP].max()) + 1
        sums = np.zeros((found, voices.shape[1]), np.float32)
        np.add.at(sums, labels, voices * weights[:, None].astype(np.float32))
        weights = np.bincount(labels, weights).astype(np.float32)
        voices = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        member = labels[member]
        alike += 0.05  # voices that are all different are joined nevertheless, in the end
    return member, voices


class _Spoken:
    """For how long each cluster speaks, overlapping windows counted once."""

    def __init__(self, units: Sequence[_Unit], step_frames: float, least_s: float | None = None) -> None:
        self.step_frames = step_frames
        self._units = units
        self.rare_s = LEAST_SHARE * self._seconds(units)
        self.least_s = least_s if least_s is not None else min(self.rare_s, LEAST_S)

    def lasting(self, labels: Integers) -> list[int]:
        """The clusters that speak for long enough, the longest first."""
        seconds = self.seconds_of(labels)
        return [label for label in self.longest(labels) if seconds[label] >= self.least_s]

    def longest(self, labels: Integers) -> list[int]:
        """All clusters, the longest first."""
        seconds = self.seconds_of(labels)
        return sorted(seconds, key=lambda label: -seconds[label])

    def seconds_of(self, labels: Integers) -> dict[int, float]:
        """Seconds by cluster."""
        members: dict[int, list[_Unit]] = defaultdict(list)
        for unit, label in zip(self._units, labels.tolist(), strict=True):
            members[label].append(unit)
        return {label: self._seconds(units) for label, units in members.items()}

    def _seconds(self, units: Sequence[_Unit]) -> float:
        """How long at least one of them speaks."""
        places = sorted(
            (run.window * self.step_frames + run.start, run.window * self.step_frames + run.end)
            for unit in units
            for run in unit.runs
        )
        total, reached = 0.0, 0.0
        for start, end in places:
            total += max(end - max(start, reached), 0.0)
            reached = max(reached, end)
        return total * FRAME_S


def _assign(runs: Sequence[Run], units: Sequence[_Unit], speakers: Floats) -> list[int]:
    """The speaker whose voice is most like that of each run and its unit; two who speak at once are not one."""
    unit_of = {id(run): unit for unit in units for run in unit.runs}
    windows: dict[int, list[int]] = defaultdict(list)
    for place, run in enumerate(runs):
        if id(run) in unit_of:
            windows[run.window].append(place)
    found = [-1] * len(runs)
    for places in windows.values():
        taken: list[tuple[Run, int]] = []
        for place in sorted(places, key=lambda place: -runs[place].heard_s):
            run = runs[place]
            likeness = speakers @ unit_of[id(run)].voice
            voice = run.embedding()
            if voice is not None:
                own = run.heard_s / (run.heard_s + OWN_S)
                likeness = own * (speakers @ voice) + (1 - own) * likeness
            for other, speaker in taken:
                if other.speaker != run.speaker and _at_once(run, other):
                    likeness[speaker] -= 10
            found[place] = int(likeness.argmax())
            taken.append((run, found[place]))
    return found


def _at_once(run: Run, other: Run) -> bool:
    shared = min(run.end, other.end) - max(run.start, other.start)
    return shared > AT_ONCE * min(run.end - run.start, other.end - other.start)
