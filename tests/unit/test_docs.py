"""The pages hang together: links lead somewhere, and the index knows every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def linked(page: Path) -> list[Path]:
    """Files that a page links to, as absolute paths; other sites are not our concern."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    generated = {docs.REFERENCE / name for name in docs.PAGES}  # their presence is `make check`'s concern

    assert [target for target in linked(page) if not target.exists() and target not in generated] == []


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    pages = {*(ROOT / "docs").rglob("*.md"), *(docs.REFERENCE / name for name in docs.PAGES)} - {index}

    assert pages <= set(linked(index))
