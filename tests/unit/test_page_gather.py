"""What the page's Transcribe knows by itself, and the server too."""

from __future__ import annotations

import re

from stenogram import languages
from stenogram.server.routes.live import WEB


def test_the_page_offers_the_languages_that_whisper_knows() -> None:
    """No more and no fewer, where a model says that it knows them all."""
    text = (WEB / "app" / "transcribe" / "languages.js").read_text(encoding="utf-8")
    told = {code for line in re.findall(r'"([a-z ]+)"', text) for code in line.split()}

    assert told == set(languages.NAMES)
