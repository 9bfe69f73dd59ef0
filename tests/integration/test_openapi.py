"""What /openapi.json promises is kept: schemathesis sends what it allows and what it does not, and checks answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import serving

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEFT_OUT = r"/events$|/pull$|^/transcribe$|^/api/v1/jobs$"
"""They do not end, or would look for models and addresses of callbacks in the network."""


@pytest.mark.slow
def test_no_answer_is_a_fault_or_undocumented(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("st")),
        *("run", "--exclude-path-regex", LEFT_OUT, "--checks", CHECKS),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--generation-deterministic"),
        *("--request-timeout", "30", "--workers", "2", "--no-color"),
    ]
    with serving(tmp_path / "home", "--shutdown-grace-s", "1") as server:
        run = subprocess.run(
            [*command, f"{server.url}/openapi.json"], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
