"""``/metrics`` in Prometheus' text format, made from the snapshot: asking costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stenogram.job import lane_of
from stenogram.server.auth import Reader
from stenogram.server.board import Snapshot
from stenogram.server.errors import ANSWERS
from stenogram.server.state import state_of
from stenogram.store import workers

router = APIRouter(tags=["system"])

_HEALTH = ("starting", "ready", "error")


@router.get("/metrics", responses={**ANSWERS, 200: {"content": {"text/plain": {}}}}, response_class=Response)
async def metrics(request: Request, _caller: Reader) -> Response:
    """Queue, jobs, work done, stage times, memory, GPUs and callbacks."""
    registry = CollectorRegistry()
    registry.register(_Collector(state_of(request).board.snapshot))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Everything that can be told."""
        yield from self._service()
        yield from self._work()
        yield from self._clean_up()
        yield from self._machine()

    def _service(self) -> Iterator[Metric]:
        snapshot = self._snapshot
        health = GaugeMetricFamily("stenogram_health", "1 for the state the service is in", labels=["status"])
        for status in _HEALTH:
            health.add_metric([status], float(snapshot.health == status))
        yield health
        jobs = GaugeMetricFamily("stenogram_jobs", "Jobs in each state", labels=["state"])
        for state, number in snapshot.counts.items():
            jobs.add_metric([state], number)
        yield jobs
        yield GaugeMetricFamily(
            "stenogram_queue_oldest_wait_seconds", "How long the oldest queued job has waited", snapshot.oldest_wait_s
        )
        sent = GaugeMetricFamily("stenogram_callbacks", "Callbacks in each state", labels=["state"])
        for state, number in snapshot.callbacks.items():
            sent.add_metric([state], number)
        yield sent

    def _work(self) -> Iterator[Metric]:
        names = ["worker", "device"]
        audio = CounterMetricFamily("stenogram_audio_seconds", "Sound that went through", labels=names)
        cached = CounterMetricFamily("stenogram_cached_audio_seconds", "Of it known from earlier runs", labels=names)
        wall = CounterMetricFamily("stenogram_work_seconds", "Time that runs took", labels=names)
        runs = CounterMetricFamily("stenogram_runs", "Runs, by how they ended", labels=[*names, "outcome"])
        stages = CounterMetricFamily("stenogram_stage_seconds", "Work in each stage", labels=[*names, "stage"])
        rtfx = GaugeMetricFamily("stenogram_rtfx", "Seconds of sound for each second of work", labels=names)
        for worker in self._alive():
            if lane_of(worker.device) == "chat":
                continue
            label = [worker.id, worker.device]
            totals = worker.totals
            audio.add_metric(label, totals.get("audio_s", 0.0))
            cached.add_metric(label, totals.get("cached_s", 0.0))
            wall.add_metric(label, totals.get("wall_s", 0.0))
            failed = totals.get("failed", 0)
            runs.add_metric([*label, "succeeded"], totals.get("runs", 0) - failed)
            runs.add_metric([*label, "failed"], failed)
            for stage, seconds in totals.get("stage_s", {}).items():
                stages.add_metric([*label, stage], seconds)
            if totals.get("wall_s"):
                rtfx.add_metric(label, totals["audio_s"] / totals["wall_s"])
        yield from (audio, cached, wall, runs, stages, rtfx)

    def _clean_up(self) -> Iterator[Metric]:
        names = ["worker"]
        runs = CounterMetricFamily(
            "stenogram_enhancements", "Runs of language models, by how they ended", labels=[*names, "outcome"]
        )
        tokens = CounterMetricFamily(
            "stenogram_enhancement_tokens", "Tokens read and written by language models", labels=[*names, "kind"]
        )
        answering = CounterMetricFamily(
            "stenogram_enhancement_answer_seconds",
            "Time that answers took, summed over all",
            labels=names,
        )
        first = GaugeMetricFamily(
            "stenogram_enhancement_first_token_seconds", "Time to the first token of an answer, mean", labels=names
        )
        speed = GaugeMetricFamily(
            "stenogram_enhancement_tokens_per_second", "Tokens written for each second of an answer", labels=names
        )
        lines = CounterMetricFamily("stenogram_enhancement_lines", "Lines of text that came of it", labels=names)
        kept = CounterMetricFamily(
            "stenogram_enhancement_lines_kept", "Of them those of which the guard kept the original", labels=names
        )
        for worker in self._alive():
            totals: Mapping[str, Any] = worker.totals.get("chat") or {}
            if not totals:
                continue
            label = [worker.id]
            for outcome in ("completed", "failed", "cancelled"):
                runs.add_metric([*label, outcome], totals[outcome])
            tokens.add_metric([*label, "prompt"], totals["prompt_tokens"])
            tokens.add_metric([*label, "completion"], totals["completion_tokens"])
            answering.add_metric(label, totals["answer_s"])
            lines.add_metric(label, totals["lines"])
            kept.add_metric(label, totals["kept"])
            if totals["asked"]:
                first.add_metric(label, totals["first_token_s"] / totals["asked"])
            if totals["answer_s"]:
                speed.add_metric(label, totals["completion_tokens"] / totals["answer_s"])
        yield from (runs, tokens, answering, first, speed, lines, kept)

    def _machine(self) -> Iterator[Metric]:
        names = ["worker", "device"]
        memory = GaugeMetricFamily("stenogram_worker_memory_bytes", "Memory of a worker's process", labels=names)
        busy = GaugeMetricFamily("stenogram_worker_busy", "1 while it works on a job", labels=names)
        used = GaugeMetricFamily("stenogram_gpu_utilisation_ratio", "Use of a GPU, 0..1", labels=["gpu"])
        vram = GaugeMetricFamily("stenogram_gpu_memory_used_bytes", "Memory of a GPU in use", labels=["gpu"])
        for worker in self._alive():
            memory.add_metric([worker.id, worker.device], worker.memory_bytes)
            busy.add_metric([worker.id, worker.device], float(worker.state == "busy"))
            if worker.gpu is not None:
                used.add_metric([str(worker.gpu["index"])], (worker.gpu["util_percent"] or 0.0) / 100)
                vram.add_metric([str(worker.gpu["index"])], worker.gpu["vram_used_mb"] * 2**20)
        yield from (memory, busy, used, vram)

    def _alive(self) -> list[workers.Worker]:
        return [worker for worker in self._snapshot.workers if worker.state in workers.ALIVE]
