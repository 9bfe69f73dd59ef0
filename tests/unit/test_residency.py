"""Who has which weights in memory: the rules of ``models.residency``, with fakes and under stress."""

from __future__ import annotations

import functools
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stenogram.errors import Cancelled, EngineError, OutOfMemory
from stenogram.models.residency import Residency
from stenogram.testing import FAKE_FILES, FakeEngine
from stenogram.testing.fakes import FakeLoaded
from stenogram.types import LoadOptions, ModelFiles

MB = 2**20
CPU = LoadOptions(device="cpu", compute_type="int8")
CUDA = LoadOptions(device="cuda", compute_type="float16")
Make = Callable[..., Residency]


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Loader:
    """Loads fakes of 100 MB and remembers what is in memory."""

    def __init__(self) -> None:
        self.engine = FakeEngine(
            memory_bytes=100 * MB, compute_types={"cpu": ("int8", "float32"), "cuda": ("float16", "int8")}
        )
        self.loads: list[str] = []
        self.live: list[FakeLoaded] = []
        self.most = 0
        self.gate = threading.Event()
        self.gate.set()
        self.fail: set[str] = set()
        self.lock = threading.Lock()

    def __call__(self, files: ModelFiles, options: LoadOptions) -> FakeLoaded:
        self.gate.wait(10)
        with self.lock:
            self.loads.append(files.name)
            if files.name in self.fail:
                raise OutOfMemory(engine="fake", device=options.device, cause="told so")
            loaded = self.engine.load(files, options)
            self.live = [one for one in self.live if not one.closed] + [loaded]
            assert len({(one.files.digest, one.options) for one in self.live}) == len(self.live), "two copies"
            self.most = max(self.most, len(self.live))
        return loaded

    @property
    def names(self) -> list[str]:
        return [one.files.name for one in self.live if not one.closed]


@functools.cache
def weights() -> Path:
    """A file of 100 MB that takes no room."""
    path = Path(tempfile.mkdtemp()) / "weights"
    with path.open("wb") as file:
        file.truncate(100 * MB)
    return path


def model(name: str) -> ModelFiles:
    return replace(FAKE_FILES, name=name, digest=name, paths={"model": weights()})


@pytest.fixture(scope="module", autouse=True)
def _clean() -> Iterator[None]:
    yield
    shutil.rmtree(weights().parent)
    weights.cache_clear()


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(loader: Loader, clock: Clock) -> Iterator[Make]:
    made: list[Residency] = []

    def build(**changes: Any) -> Residency:
        given: dict[str, Any] = {"budget_bytes": lambda _device: 250 * MB, "idle_unload_s": 1800.0, "clock": clock}
        made.append(Residency(loader, **(given | changes)))
        return made[-1]

    yield build
    for one in made:
        one.close()


def test_a_model_is_loaded_once_and_kept(make: Make, loader: Loader) -> None:
    residency = make()
    for _ in range(3):
        with residency.lend(model("a"), CPU) as lent:
            assert lent.memory_bytes == 100 * MB

    assert loader.loads == ["a"]
    assert [(one.name, one.uses) for one in residency.resident()] == [("a", 0)]


def test_two_ways_of_loading_are_two_models(make: Make, loader: Loader) -> None:
    residency = make()
    with residency.lend(model("a"), CPU), residency.lend(model("a"), replace(CPU, compute_type="float32")):
        assert len(residency.resident()) == 2


def test_the_least_recently_used_makes_room(make: Make, loader: Loader, clock: Clock) -> None:
    residency = make()
    for name in ("a", "b", "a", "c"):
        clock.now += 1
        with residency.lend(model(name), CPU):
            pass

    assert sorted(loader.names) == ["a", "c"]


def test_memory_of_cpu_and_gpu_is_counted_apart(make: Make, loader: Loader) -> None:
    residency = make()
    for name, options in (("a", CPU), ("b", CPU), ("c", CUDA), ("d", CUDA)):
        with residency.lend(model(name), options):
            pass

    assert sorted(loader.names) == ["a", "b", "c", "d"]


def test_what_is_in_use_is_never_freed_and_a_load_waits_for_it(make: Make, loader: Loader) -> None:
    residency = make()
    waited = threading.Event()

    def borrow() -> None:
        with residency.lend(model("c"), CPU):
            waited.set()

    with residency.lend(model("a"), CPU), residency.lend(model("b"), CPU):
        thread = threading.Thread(target=borrow)
        thread.start()
        assert not waited.wait(0.3)
        assert sorted(loader.names) == ["a", "b"]
    assert waited.wait(10)
    thread.join()
    assert "c" in loader.names
    assert len(loader.names) == 2


def test_who_waits_for_room_can_be_stopped(make: Make) -> None:
    residency = make(budget_bytes=lambda _device: 150 * MB)
    with residency.lend(model("a"), CPU):
        answers = iter([False, True])
        with pytest.raises(Cancelled), residency.lend(model("b"), CPU, lambda: next(answers)):
            pass
    with residency.lend(model("b"), CPU):
        pass


def test_who_gives_up_loading_does_not_stop_those_who_wait_for_the_same(make: Make, loader: Loader) -> None:
    residency = make(budget_bytes=lambda _device: 150 * MB)
    stopped = threading.Event()

    def give_up() -> None:
        with residency.lend(model("b"), CPU, stopped.is_set):
            pytest.fail("was not stopped")

    with ThreadPoolExecutor(2) as pool:
        with residency.lend(model("a"), CPU):
            first = pool.submit(give_up)
            time.sleep(0.1)
            second = pool.submit(_use, residency, "b")
            time.sleep(0.1)
            stopped.set()
            with pytest.raises(Cancelled):
                first.result(10)
        assert second.result(10) == "b"


def test_a_load_that_waits_for_room_can_be_overtaken_on_the_other_device_and_stopped_on_its_own(
    make: Make, loader: Loader
) -> None:
    residency = make(budget_bytes=lambda _device: 150 * MB)
    stopped = threading.Event()

    def borrow(name: str) -> None:
        with residency.lend(model(name), CPU, stopped.is_set):
            pytest.fail("was not stopped")

    with ThreadPoolExecutor(2) as pool, residency.lend(model("a"), CPU):
        waiting = [pool.submit(borrow, name) for name in "bc"]
        time.sleep(0.1)
        with residency.lend(model("d"), CUDA):
            assert sorted(loader.names) == ["a", "d"]
        stopped.set()
        for task in waiting:
            with pytest.raises(Cancelled):
                task.result(10)


def test_a_model_larger_than_the_budget_is_loaded_alone(make: Make, loader: Loader) -> None:
    residency = make(budget_bytes=lambda _device: 50 * MB)
    for name in "ab":
        with residency.lend(model(name), CPU):
            assert loader.names == [name]


def test_idle_models_are_freed_and_used_ones_are_not(make: Make, loader: Loader, clock: Clock) -> None:
    residency = make()
    with residency.lend(model("a"), CPU):
        pass
    with residency.lend(model("b"), CPU):
        clock.now += 1800
        residency.unload_idle()
        assert loader.names == ["b"]


def test_an_idle_server_frees_them_by_itself(make: Make, loader: Loader) -> None:
    residency = make(idle_unload_s=0.1, clock=time.monotonic)
    with residency.lend(model("a"), CPU):
        pass
    for _ in range(100):
        if not loader.names:
            break
        time.sleep(0.05)

    assert loader.names == []
    with residency.lend(model("a"), CPU):
        assert loader.loads == ["a", "a"]


def test_requests_during_a_load_wait_for_the_one(make: Make, loader: Loader) -> None:
    residency = make()
    loader.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(_use, residency, "a") for _ in range(4)]
        time.sleep(0.1)
        loader.gate.set()
        assert [task.result(10) for task in tasks] == ["a"] * 4
    assert loader.loads == ["a"]


def test_a_failed_load_wakes_all_who_wait_and_the_next_tries_again(make: Make, loader: Loader) -> None:
    residency = make()
    loader.fail.add("a")
    loader.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        tasks = [pool.submit(_use, residency, "a") for _ in range(3)]
        time.sleep(0.1)
        loader.gate.set()
        for task in tasks:
            with pytest.raises(OutOfMemory):
                task.result(10)
    loader.fail.clear()

    assert _use(residency, "a") == "a"


def test_a_request_during_unloading_gets_one_fresh_copy(make: Make, loader: Loader) -> None:
    began, go = threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        go.wait(10)

    residency = make(free=slow)
    _use(residency, "a")
    with ThreadPoolExecutor(4) as pool:
        unloading = pool.submit(residency.unload, "a")
        assert began.wait(10)
        asking = [pool.submit(_use, residency, "a") for _ in range(3)]
        time.sleep(0.1)
        assert loader.loads == ["a"]
        go.set()
        assert unloading.result(10)
        assert [task.result(10) for task in asking] == ["a"] * 3
    assert loader.loads == ["a", "a"]


def test_unload_refuses_what_is_in_use_and_keeps_it(make: Make, loader: Loader) -> None:
    residency = make()
    with residency.lend(model("a"), CPU):
        assert not residency.unload("a")
        assert loader.names == ["a"]
    assert residency.unload("a", CPU)
    assert loader.names == []


def test_a_model_given_back_is_of_no_use(make: Make) -> None:
    residency = make()
    with residency.lend(model("a"), CPU) as lent:
        pass
    with pytest.raises(EngineError, match="given back"):
        lent.transcribe([], None, lambda: False)  # type: ignore[arg-type]


def test_measured_memory_is_believed_where_it_is_more(make: Make, loader: Loader) -> None:
    used = iter([0, 180 * MB, 180 * MB, 290 * MB])
    residency = make(used_bytes=lambda _device: next(used))
    _use(residency, "a")
    assert residency.resident()[0].memory_bytes == 180 * MB

    _use(residency, "b")
    assert loader.names == ["b"]


def test_closing_frees_what_is_in_use_when_it_comes_back(make: Make, loader: Loader) -> None:
    residency = make()
    with residency.lend(model("a"), CPU):
        _use(residency, "b")
        residency.close()
        assert loader.names == ["a"]
    assert loader.names == []
    with pytest.raises(EngineError, match="closed"):
        _use(residency, "a")


def test_preload_takes_what_fits_in_order(make: Make, loader: Loader) -> None:
    residency = make()
    loader.fail.add("b")
    residency.preload([(model(name), CPU) for name in "abcde"])

    assert loader.names == ["a", "c"]
    assert loader.loads == ["a", "b", "c"]
    _use(residency, "a")
    assert loader.loads == ["a", "b", "c"]  # R28: the first request finds it loaded


def test_calls_of_all_borrowers_together_stay_within_parallelism(make: Make, loader: Loader) -> None:
    loader.engine.parallelism = 2
    at_work, most, lock = 0, 0, threading.Lock()

    def hear(_chunk: object) -> dict[str, float]:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.01)
        with lock:
            at_work -= 1
        return {"en": 1.0}

    loader.engine.hear_language = hear
    residency = make()

    def work() -> None:
        with residency.lend(model("a"), CPU) as lent:
            lent.detect_language(None)  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as pool:
        for task in [pool.submit(work) for _ in range(24)]:
            task.result(10)
    assert most == 2


def test_stress(make: Make, loader: Loader) -> None:
    """8 threads, 5 models, room for 2: no double load, no use after unload, room kept, memory back to the start."""
    residency = make(clock=time.monotonic, budget_bytes=lambda _device: 200 * MB)
    failed = 0

    def borrow(seed: int) -> int:
        nonlocal failed
        dice, done = random.Random(seed), 0
        for _ in range(500):
            name = dice.choice("abcde")
            if dice.random() < 0.05:
                residency.unload(name)
            try:
                with residency.lend(model(name), CPU) as lent:
                    assert lent.detect_language(None) == {"en": 1.0}  # type: ignore[arg-type]
                    held = [one for one in loader.live if one.files.name == name]
                    assert held
                    assert not held[-1].closed
                    done += 1
            except OutOfMemory:
                failed += 1
            with loader.lock:
                loader.fail = {dice.choice("abcde")} if dice.random() < 0.05 else set()
        return done

    with ThreadPoolExecutor(8) as pool:
        done = sum(task.result(60) for task in [pool.submit(borrow, seed) for seed in range(8)])

    assert done + failed == 8 * 500
    assert done > 2000
    assert loader.most <= 2
    residency.close()
    assert loader.names == []
    assert residency.resident() == []


def _use(residency: Residency, name: str) -> str:
    with residency.lend(model(name), CPU):
        return name
