"""The database is stopped under a server at work, and comes back: nothing is lost, and nobody restarts anything."""

from __future__ import annotations

import tempfile
import uuid
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from stenogram.store import schema
from stenogram.store.database import Database
from tests import postgres
from tests.integration.conftest import serving
from tests.integration.test_service import Receiver, over, put, receiver
from tests.service import until

__all__ = ["receiver"]
pytestmark = pytest.mark.slow


def health(client: httpx2.Client) -> str:
    """``ready``, or what is the matter."""
    found = client.get("/health").json()
    return str(found["state"] or found["status"])


def test_work_under_way_ends_well_and_health_tells_the_truth(
    tmp_path: Path, two_cities: Path, receiver: Receiver
) -> None:
    folder = Path(tempfile.gettempdir()) / f"stenogram-pg-stopped-{uuid.uuid4().hex[:8]}"
    with postgres.running(folder) as database:
        with closing(Database.open(database.get_uri())) as empty:
            schema.upgrade(empty)
        started = serving(tmp_path, "--callback-allow", "127.0.0.1", DATABASE_URL=database.get_uri())
        with started as own, own.client() as client:
            [job] = put(client, two_cities, callback_url=receiver.url)
            until(lambda: client.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "running", what="for a worker")

            database.stop()
            until(lambda: health(client) == "database_unavailable", what="for the truth")
            refused = client.post("/api/v1/jobs", files={"file": b"x"})
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "database_unavailable"
            database.ensure_postgres_running()

            until(lambda: health(client) == "ready", timeout_s=90, what="for the service to recover by itself")
            done = over(client, job["id"], timeout_s=90)
            text = client.get(f"/api/v1/transcriptions/{job['id']}", params={"format": "text"}).text
            headers, _ = receiver.got.get(timeout=90)

            assert done["state"] == "succeeded"
            assert "worst of times" in text.replace("\n", " ")
            assert headers["webhook-id"]
            [after] = put(client, two_cities)
            assert over(client, after["id"])["state"] == "succeeded"
