"""The page's files, as far as they can be judged without a browser: words in both languages, links between modules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stenogram.server.routes.live import WEB

LANGUAGES = {"en": {"one", "other"}, "ru": {"one", "few", "many", "other"}}
"""Each with the forms that numbers take in it (CLDR)."""
MODULES = sorted(WEB.rglob("*.js"))
PAGES = sorted(WEB.rglob("*.html"))


def catalogue(language: str) -> dict[str, Any]:
    """Key -> entry, as ``t`` finds them: ``library.empty``."""
    tree = json.loads((WEB / "locales" / f"{language}.json").read_text(encoding="utf-8"))
    return dict(flat(tree))


def flat(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, entry in tree.items():
        if isinstance(entry, dict) and "other" not in entry:
            yield from flat(entry, f"{path}{name}.")
        else:
            yield f"{path}{name}", entry


def forms(entry: Any) -> dict[str, str]:
    return entry if isinstance(entry, dict) else {"": entry}


def used() -> tuple[set[str], set[str]]:
    """Keys that the code names, and beginnings of those that it puts together."""
    whole, beginnings = set(), set()
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        whole |= set(re.findall(r"""["'`]([a-z_]+(?:\.\w+)+)["'`]""", text))
        beginnings |= {found for found in re.findall(r"`([a-z_]+\.[\w.]*)\$\{", text) if "." in found}
    for path in PAGES:
        whole |= set(re.findall(r'data-t(?:-[a-z-]+)?="([^"]+)"', path.read_text(encoding="utf-8")))
    return whole, beginnings


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_takes_the_forms_of_its_language(language: str) -> None:
    for key, entry in catalogue(language).items():
        if isinstance(entry, dict):
            assert entry.keys() == LANGUAGES[language], key
        assert all(form.strip() for form in forms(entry).values()), key


def test_both_languages_say_the_same_things_with_the_same_facts() -> None:
    english, russian = catalogue("en"), catalogue("ru")

    assert english.keys() == russian.keys()
    for key, entry in english.items():
        facts = [
            {name for form in forms(each).values() for name in re.findall(r"{(\w+)}", form)}
            for each in (entry, russian[key])
        ]
        assert facts[0] == facts[1], key


def test_every_word_that_the_page_asks_for_is_there_and_no_other() -> None:
    words = catalogue("en")
    areas = {key.partition(".")[0] for key in words}
    whole, beginnings = used()
    asked = {key for key in whole if key.partition(".")[0] in areas and not key.endswith((".js", ".css", ".json"))}

    assert {key for key in asked if key not in words} == set()
    assert {
        start
        for start in beginnings
        if start.partition(".")[0] in areas and not any(key.startswith(start) for key in words)
    } == set()
    assert {key for key in words if key not in whole and not key.startswith(tuple(beginnings))} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(WEB).as_posix())
def test_a_module_imports_what_is_there_and_parses_nothing_as_html(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""", text):
        assert (path.parent / target).is_file(), target
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(", text)
    assert not re.search(r"\bstyle: [`\"'](?!unit)", text), "the policy lets no style attribute through: set node.style"
    assert text.count("\n") <= 400


def test_the_page_asks_no_other_host_for_anything() -> None:
    for path in [*MODULES, *PAGES, *WEB.rglob("*.css")]:
        hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", path.read_text(encoding="utf-8")))
        assert hosts <= {"www.w3.org"}, path.name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(WEB).as_posix())
def test_what_a_page_links_to_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r'(?:src|href)="/web/([^"]+)"', text):
        assert (WEB / target).is_file(), target
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", text)
