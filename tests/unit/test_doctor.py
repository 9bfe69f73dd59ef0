"""What the doctor says of engines, models, folders, settings and the machine, and what it advises."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stenogram import diarization, engines, hardware, performance
from stenogram.app.doctor import Finding, examine, log_facts, machine, parts, places, trial
from stenogram.bundled import asset
from stenogram.config import Settings
from stenogram.enhance.check import ChatState
from stenogram.errors import ModelDamaged
from stenogram.library import Row
from stenogram.models import catalogue, store
from stenogram.testing.chat_server import ChatServer
from stenogram.types import LoadOptions

GIB = 2**30


@pytest.fixture(autouse=True)
def _fresh_probes() -> Iterator[None]:
    """No test sees what another pretended."""
    performance.cuda.cache_clear()
    performance.gpus.cache_clear()
    yield
    performance.cuda.cache_clear()
    performance.gpus.cache_clear()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU on which a kernel runs."""
    card = hardware.Gpu(0, "NVIDIA Fake 100", "GPU-1", 24 * GIB, GIB, 23 * GIB, 0.25)
    monkeypatch.setattr(hardware, "read_gpus", lambda: hardware.Gpus((card,), "580.95", "13.0"))
    monkeypatch.setattr(hardware, "try_cuda", lambda: hardware.Cuda("NVIDIA Fake 100", "13.0"))


def only(findings: Iterator[Finding], topic: str) -> Finding:
    """The one finding about a topic."""
    (found,) = [finding for finding in findings if finding.topic == topic]
    return found


# --- the machine ---


def test_a_usable_gpu_is_told_with_its_driver_and_memory(gpu: None) -> None:
    findings = list(machine.examine(LoadOptions()))

    text = only(iter(findings), "gpu").text
    assert text == "0: NVIDIA Fake 100, 24.0 GiB, 23.0 GiB free, 25% busy; driver 580.95, CUDA 13.0"
    assert only(iter(findings), "cuda") == Finding(
        "cuda", "good", "usable: a kernel ran on NVIDIA Fake 100 (CUDA 13.0)"
    )


@pytest.mark.parametrize(
    ("cuda", "load", "state"),
    [
        (hardware.Cuda(fault="no driver", advice="Get one."), LoadOptions(), "note"),
        (hardware.Cuda(device="GPU", fault="busy", advice="Wait."), LoadOptions(), "warning"),
        (hardware.Cuda(fault="no driver", advice="Get one."), LoadOptions(device="cuda"), "fault"),
    ],
)
def test_a_gpu_that_cannot_be_used_stops_only_those_who_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, cuda: hardware.Cuda, load: LoadOptions, state: str
) -> None:
    monkeypatch.setattr(hardware, "try_cuda", lambda: cuda)
    found = only(machine.examine(load), "cuda")

    assert found.state == state
    assert str(cuda.fault) in found.text
    assert str(cuda.advice) in str(found.advice)


def test_little_free_memory_is_a_warning_that_knows_of_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "read_memory", lambda: hardware.Memory(2 * GIB, GIB // 2, limited=True))
    found = only(machine.examine(LoadOptions()), "memory")

    assert (found.state, found.text) == ("warning", "2.0 GiB for this container, 512 MiB free")
    assert "container's limit" in str(found.advice)


def test_more_threads_than_cores_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    cores = hardware.available_cpus()
    found = only(machine.examine(LoadOptions(cpu_threads=cores + 1)), "threads")

    assert found.state == "warning"
    assert found.text == f"{cores + 1} for recognition (STENOGRAM_CPU_THREADS), OMP_NUM_THREADS=3"


def test_the_facts_are_logged_only_where_somebody_listens(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.INFO, logger="stenogram"):
        log_facts(LoadOptions())
    topics = [message.split(":")[0] for message in caplog.messages]
    assert topics == ["cpu", "memory", "gpu", "cuda", "threads"]

    monkeypatch.setattr(machine, "examine", lambda _load: pytest.fail("looked although nobody listens"))
    with caplog.at_level(logging.WARNING, logger="stenogram"):
        log_facts(LoadOptions())


# --- engines and models ---


def test_each_engine_has_a_line_with_the_versions_of_its_libraries() -> None:
    found = {finding.text.split(":")[0]: finding for finding in parts.examine_engines()}

    assert set(found) == set(engines.ENGINES)
    assert "onnxruntime" in found["moonshine"].text
    assert found["moonshine"].state == "good"


def test_an_engine_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("nowhere:Engine", ("no_such_module",), ("no-such-package",), "extra-one")
    monkeypatch.setattr(engines, "ENGINES", {"other": row})

    assert list(parts.examine_engines()) == [
        Finding("engine", "note", "other: not installed", "Get it: pip install 'stenogram[extra-one]'")
    ]


def test_an_engine_whose_library_is_broken_is_told_and_stops_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_engine.py").write_text("raise ImportError('libfoo.so.1: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    row = Row("broken_engine:Engine", ("broken_engine",), ("broken-package",))
    monkeypatch.setattr(engines, "ENGINES", {"other": row})
    (found,) = parts.examine_engines()
    sys.modules.pop("broken_engine", None)

    assert found.state == "warning"
    assert "libfoo.so.1" in found.text
    assert "pip install --force-reinstall broken-package" in str(found.advice)


def test_each_diarizer_has_a_line_that_says_whether_it_can_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "diarizers_of_the_test.py").write_text(
        "from stenogram.testing import FakeDiarizer\n"
        "def good(means): return FakeDiarizer()\n"
        "def bad(means): return FakeDiarizer(cause='its weights are not here')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = {name: Row(f"diarizers_of_the_test:{name}", ("click",), ("click",)) for name in ("good", "bad")}
    rows["absent"] = Row("nowhere:X", ("no_such_module",), ("no-such-package",), extra="extra-one")
    monkeypatch.setattr(diarization, "DIARIZERS", rows)
    good, bad, absent = parts.examine_diarizers(Settings(home=str(tmp_path)))
    sys.modules.pop("diarizers_of_the_test", None)

    assert (good.topic, good.state) == ("speakers", "good")
    assert good.text.startswith("good: click ")
    assert (bad.state, bad.text.partition("; ")[2]) == ("warning", "it cannot be used: its weights are not here")
    advice = "Get it: pip install 'stenogram[extra-one]'"
    assert absent == Finding("speakers", "note", "absent: not installed", advice)


def test_a_language_model_that_was_chosen_and_does_not_answer_is_a_warning() -> None:
    with ChatServer() as server:
        address = server.url
    found = parts.examine_chat(Settings(llm_base_url=address))

    assert (found.topic, found.state) == ("clean-up", "warning")
    assert "nothing listens there" in found.text
    assert "Start it" in str(found.advice)


def test_one_that_nobody_chose_may_be_absent() -> None:
    state = ChatState("http://localhost:11434/v1", "mistral", answers=False, cause="nothing listens there")

    assert parts.chat_finding(state, chosen=False).state == "note"


def test_a_language_model_that_answers_is_told_with_its_place() -> None:
    with ChatServer(ollama=True, vram_share=0.5) as server:
        found = parts.examine_chat(Settings(llm_base_url=server.url))

    assert (found.state, found.text) == ("good", f"mistral:7b-instruct at {server.url}: answers, on the CPU")


def test_offline_asks_no_language_model_on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of the tests ends at this machine: a try would fail the test."""
    found = parts.examine_chat(Settings(offline=True, llm_base_url="https://models.example.com/v1"))

    assert found.state == "warning"
    assert "--offline" in found.text


def test_the_library_for_gguf_files_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LIBRARY", Row("nowhere:X", ("no_such_module",), ("no-such-package",), "llama-cpp"))
    absent = parts.examine_gguf()
    monkeypatch.setattr(parts, "LIBRARY", Row("nowhere:X", ("click",), ("click",), "llama-cpp"))

    assert (absent.state, absent.advice) == ("note", "Get it: pip install 'stenogram[llama-cpp]'")
    assert parts.examine_gguf().state == "good"


def test_the_default_engine_missing_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("nowhere:Engine", ("no_such_module",), ("no-such-package",))
    monkeypatch.setattr(engines, "ENGINES", {catalogue.find(catalogue.DEFAULT).engine: row})
    (found,) = parts.examine_engines()

    assert found.state == "fault"
    assert found.advice == "Get it: pip install --force-reinstall 'stenogram'"


def test_the_model_of_the_wheel_is_whole_by_a_look_and_by_its_digest() -> None:
    for verify, words in ((False, "sizes and times"), (True, "SHA-256")):
        (found,) = parts.examine_models(Settings(), verify=verify)
        assert found.state == "good"
        assert words in found.text


def test_a_damaged_default_model_is_a_fault_with_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(name: str, _settings: Settings) -> None:
        raise ModelDamaged(model=name, path="encoder", advice="Repair it: pip install it")

    monkeypatch.setattr(store, "verify", damaged)
    (found,) = parts.examine_models(Settings(), verify=True)

    assert found.state == "fault"
    assert "Repair it" in found.text


def test_a_chosen_model_that_is_unknown_or_absent_is_a_fault() -> None:
    absent = next(model.name for model in catalogue.models() if not model.bundled)
    for name in ("no-such-model", absent):
        states = [found.state for found in parts.examine_models(Settings(model=name), verify=False)]
        assert "fault" in states


# --- folders and settings ---


def test_folders_that_can_be_written_are_told_with_their_room(tmp_path: Path) -> None:
    found = list(places.examine_folders(Settings(home=str(tmp_path / "new"))))

    assert [finding.state for finding in found] == ["good"] * 3
    assert str(tmp_path / "new" / "cache") in found[1].text
    assert not (tmp_path / "new" / "models").exists()


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_folder_that_cannot_be_written_stops_the_work(tmp_path: Path) -> None:
    """A file stands where the folder should be: no user may write there."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    found = list(places.examine_folders(Settings(home=str(blocked))))

    assert [finding.state for finding in found[:2]] == ["warning", "fault"]
    assert "set STENOGRAM_HOME" in str(found[1].advice)


@pytest.mark.parametrize(("free_mib", "state"), [(50, "fault"), (500, "warning"), (5000, "good")])
def test_a_full_disk_is_a_fault_and_a_nearly_full_one_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_mib: int, state: str
) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(2**40, 0, free_mib * 2**20))
    _, work, _ = places.examine_folders(Settings(home=str(tmp_path)))

    assert work.state == state


def test_a_mistyped_setting_is_told_with_its_right_name() -> None:
    (found,) = places.examine_settings({"STENOGRAM_LANGAUGE": "en", "LANG": "C"})

    assert (found.state, found.advice) == ("warning", "Did you mean STENOGRAM_LANGUAGE?")


def test_a_value_that_cannot_be_is_a_fault_and_the_rest_is_still_examined() -> None:
    environ = {"STENOGRAM_THRESHOLD": "seven", "STENOGRAM_CACHE_MAX_MB": "-3"}
    found = list(places.examine_settings(environ))

    assert [finding.state for finding in found] == ["fault", "fault"]
    assert places.read(Settings, environ) == Settings()
    assert len(list(examine(environ))) > 8


def test_a_database_is_mentioned_only_where_one_is_set() -> None:
    assert only(places.examine_settings({"DATABASE_URL": "x"}), "database").text.endswith("not used by this version")
    assert all(finding.topic != "database" for finding in places.examine_settings({}))


# --- the trial ---


def test_the_trial_hears_what_was_said(tmp_path: Path) -> None:
    found = trial.examine(Settings(home=str(tmp_path)), LoadOptions())

    assert found.state == "good"
    assert "tried" in found.text.lower()


def test_the_trial_tells_what_stops_the_work(tmp_path: Path) -> None:
    found = trial.examine(Settings(home=str(tmp_path), model="no-such-model"), LoadOptions())

    assert found.state == "fault"
    assert "no-such-model" in found.text
    assert asset("assets/beckett.wav").is_file()
