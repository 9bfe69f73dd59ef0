"""The audit log as it is read: by ``/api/v1/audit``, by ``stenogram audit``; and how long it is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update
from starlette.testclient import TestClient

from stenogram.accounts import audit
from stenogram.accounts import keys as accounts
from stenogram.accounts.keys import Wish
from stenogram.app import housekeeping, jobs
from stenogram.app.house import House
from stenogram.bundled import asset
from stenogram.cli.audit import audit as command
from stenogram.config import ServerSettings, Settings
from stenogram.job import Caller
from stenogram.server.asgi import build
from stenogram.store import schema, speakers
from stenogram.store.tables import audit as table
from stenogram.store.tables import jobs as job_table
from tests.service import keep

ANN = Caller("anna", admin=False, name="Ann", address="192.0.2.7")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("STENOGRAM_HOME", str(tmp_path))
    with House.open(Settings(home=str(tmp_path)), ServerSettings(audit_days=30, retention_days=7)) as opened:
        schema.upgrade(opened.db)
        yield opened


def job(house: House) -> str:
    """A job of Ann's that is over."""
    [put] = jobs.submit(house, ANN, jobs.Order("v1"), [keep(house, asset("assets/beckett.wav"))])
    return jobs.cancel(house, ANN, put.id).id


def actions(house: House) -> list[str]:
    return [each.action for each in audit.listing(house.db)]


def test_the_log_is_for_who_manages_the_users(house: House) -> None:
    made = {scope: accounts.create(house.db, Wish(scope, scopes=(scope,)))[0] for scope in accounts.SCOPES}
    with TestClient(build(house), base_url="http://localhost:8000") as http:
        told = {scope: http.get("/api/v1/audit", headers={"x-api-key": key}).status_code for scope, key in made.items()}

    assert {scope for scope, status in told.items() if status == 200} == {"users", "admin", "*"}
    assert set(told.values()) == {200, 403}


def test_pages_of_the_log_by_http(house: House) -> None:
    for _ in range(3):
        jobs.delete(house, ANN, job(house))
    with TestClient(build(house), base_url="http://localhost:8000") as http:
        first = http.get("/api/v1/audit", params={"limit": 2}).json()
        rest = http.get("/api/v1/audit", params={"limit": 2, "before": first["next"]}).json()
        theirs = http.get("/api/v1/audit", params={"actor": "bert"}).json()
        other = http.get("/api/v1/audit", params={"action": "sign_in"}).json()
        assert http.get("/api/v1/audit", params={"action": "nonsense"}).status_code == 400

    assert [len(first["entries"]), len(rest["entries"]), rest["next"]] == [2, 1, None]
    entry = first["entries"][0]
    assert (entry["actor"], entry["actor_name"], entry["action"]) == ("anna", "Ann", "job_deleted")
    assert (entry["address"], entry["detail"]) == ("192.0.2.7", {"owner": "anna"})
    assert theirs["entries"] == other["entries"] == []


def test_deletions_are_noted_whoever_deletes_and_hold_no_names_of_files(house: House) -> None:
    jobs.delete(house, ANN, job(house))
    old = job(house)
    with house.db.write() as tx:
        tx.connection.execute(
            update(job_table).where(job_table.c.id == old).values(finished_at=time.time() - 8 * 86_400)
        )
    housekeeping.retire(house)
    by_itself, by_ann = audit.listing(house.db)

    assert (by_ann.actor, by_ann.action) == ("anna", "job_deleted")
    assert (by_itself.actor, by_itself.actor_name, by_itself.subject) == (None, audit.ITSELF, old)
    assert by_itself.detail == {"owner": "anna", "why": "age"}
    assert "beckett" not in repr((by_itself, by_ann))


def test_the_end_of_a_known_voice_is_noted(house: House) -> None:
    with house.db.write() as tx:
        known = speakers.put(tx, None, "Ann", [])
    with TestClient(build(house), base_url="http://localhost:8000") as http:
        assert http.delete(f"/api/v1/speakers/{known}").status_code == 204
    [entry] = audit.listing(house.db)

    assert (entry.action, entry.subject, entry.address) == ("speaker_deleted", known, "testclient")


def test_entries_are_forgotten_after_the_days_of_the_setting(house: House) -> None:
    for _ in range(2):
        jobs.delete(house, ANN, job(house))
    newest = audit.listing(house.db, 1)[0]
    with house.db.write() as tx:
        tx.connection.execute(update(table).where(table.c.id < newest.id).values(at=time.time() - 31 * 86_400))
    housekeeping.tidy_daily(house)

    assert [each.id for each in audit.listing(house.db)] == [newest.id]


def test_the_command_shows_the_log_newest_first(house: House) -> None:
    gone = job(house)
    jobs.delete(house, ANN, gone)
    with house.db.write() as tx:
        audit.note(tx, None, "key_used", "k1", name="\x1b[2J", address="::1")
    text = CliRunner().invoke(command, []).stdout.splitlines()
    told = CliRunner().invoke(command, ["--json", "--limit", "1"]).stdout
    theirs = CliRunner().invoke(command, ["--actor", "anna"]).stdout
    none = CliRunner().invoke(command, ["--action", "sign_in"])

    assert len(text) == 2
    assert "key_used" in text[0]
    assert "\x1b" not in text[0]
    assert ["job_deleted", "Ann", "192.0.2.7", gone] == text[1].split()[2:6]
    assert json.loads(told)["action"] == "key_used"
    assert theirs.splitlines() == text[1:]
    assert (none.stdout, none.stderr) == ("", "Nothing was noted.\n")
