"""A recording cannot make the program open another file or call anybody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stenogram import errors
from stenogram.audio import container

Decode = Callable[..., Any]


@pytest.fixture
def traps(make: Any, sine: Any) -> Any:
    """Files that name a real recording beside them, and a server that writes down who calls."""
    inner = make.wav("inner.wav", sine(440, 5))
    calls: list[Any] = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, address = server.accept()
            except OSError:
                return
            calls.append(address)
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/a.wav"
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
    paths = [
        make.bytes("local.m3u8", hls.format(inner).encode()),
        make.bytes("relative.m3u8", hls.format("inner.wav").encode()),
        make.bytes("remote.m3u8", hls.format(url).encode()),
        make.bytes("remote.mp3", hls.format(url).encode()),
        make.bytes("list.ffconcat", f"ffconcat version 1.0\nfile '{inner}'\n".encode()),
        make.bytes("list.wav", b"ffconcat version 1.0\nfile inner.wav\n"),
        make.bytes("remote.ffconcat", f"ffconcat version 1.0\nfile '{url}'\n".encode()),
    ]
    yield paths, calls
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_playlists_open_nothing(decode: Decode, traps: Any) -> None:
    """HLS and concat, by any name, local or remote: NotMedia that says playlist, and nobody was called."""
    paths, calls = traps
    for path in paths:
        with pytest.raises(errors.NotMedia, match="playlist"):
            decode(path)
    assert calls == []


def test_each_lock_holds_alone(traps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the list of demuxers opened to playlists, the refusal to open files still holds."""
    paths, calls = traps
    monkeypatch.setattr(container, "DEMUXERS", container.DEMUXERS + ",hls,concat")
    for path in paths:
        with pytest.raises(errors.InputError), container.open_tracks(path) as tracks:
            list(tracks)
    assert calls == []


def test_only_known_demuxers_and_none_that_reads_lists() -> None:
    """The list of formats names what FFmpeg has, and nothing that opens other files or devices."""
    import av

    names = set(container.DEMUXERS.split(","))
    assert names <= {name for group in av.formats_available for name in group.split(",")}
    assert not names & {
        "hls",
        "concat",
        "dash",
        "image2",
        "sdp",
        "rtsp",
        "rtp",
        "sap",
        "vobsub",
        "lavfi",
        "alsa",
        "tty",
    }
    assert not any(name.endswith("_pipe") for name in names)
