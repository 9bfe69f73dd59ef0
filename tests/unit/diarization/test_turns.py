from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stenogram.diarization.turns import PAUSE_S, SPECK_S, numbered, smooth
from stenogram.types import SpeakerTurn

turns = st.lists(
    st.builds(
        lambda start, length, speaker: SpeakerTurn(start, start + length, speaker),
        st.floats(0, 100),
        st.floats(0.01, 5),
        st.sampled_from("xyz"),
    ),
    max_size=30,
)


def test_a_short_pause_is_no_end_of_a_turn_and_a_speck_is_none() -> None:
    given_turns = [
        SpeakerTurn(0.0, 1.0, "a"),
        SpeakerTurn(1.0 + PAUSE_S / 2, 2.0, "a"),
        SpeakerTurn(5.0, 5.0 + SPECK_S / 2, "a"),
        SpeakerTurn(1.5, 4.0, "b"),
    ]
    assert smooth(given_turns) == [SpeakerTurn(0.0, 2.0, "a"), SpeakerTurn(1.5, 4.0, "b")]


def test_who_only_said_a_speck_is_not_lost() -> None:
    assert smooth([SpeakerTurn(3.0, 3.1, "a"), SpeakerTurn(9.0, 9.05, "a")]) == [SpeakerTurn(3.0, 3.1, "a")]


@given(turns)
def test_smoothing_once_is_enough_and_nobody_is_lost(given_turns: list[SpeakerTurn]) -> None:
    found = smooth(given_turns)
    assert smooth(found) == found
    assert {turn.speaker for turn in found} == {turn.speaker for turn in given_turns}
    for speaker in "xyz":
        own = [turn for turn in found if turn.speaker == speaker]
        assert all(later.start - earlier.end >= PAUSE_S for earlier, later in pairwise(own))


@given(turns)
def test_speakers_are_numbered_as_they_appear(given_turns: list[SpeakerTurn]) -> None:
    found = numbered(smooth(given_turns))
    order = list(dict.fromkeys(turn.speaker for turn in found))
    assert order == [f"SPEAKER_{number:02d}" for number in range(len(order))]
