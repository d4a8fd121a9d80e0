"""Micro-batches: one thread owns the networks and answers all that waits at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from flam_pl.errors import FlamError
from flam_pl.serving.web.monitoring import Monitoring

Kind = Literal["network", "search", "call"]


class Busy(FlamError):
    """The queue is full."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"too many requests are waiting; try again in {self.seconds} s")


@dataclass(frozen=True)
class Answer:
    """The value, the seconds in the queue and the seconds of work."""

    value: Any
    waited: float
    took: float


@dataclass
class _Job:
    kind: Kind
    content: Any  # of "network" the bytes of a photo, of "search" a Query, of "call" a function
    done: asyncio.Future[Answer]
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Answers queries by ``searcher.search_many`` and photos by ``searcher.features``.

    One thread does the work. As soon as it is free, it takes up to ``most`` jobs of one kind from
    the queue, in their order. So a query waits only while another batch is answered. At most
    ``room`` jobs wait; a further one raises Busy. A function of ``call`` runs in the same thread:
    no search runs meanwhile.
    """

    def __init__(self, searcher: Any, monitoring: Monitoring, most: int = 16, room: int = 64):
        self.searcher, self.monitoring, self.most, self.room = searcher, monitoring, most, room
        self._waiting: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="searcher")
        self._worker: asyncio.Task[None] | None = None
        self._pace = 0.05  # seconds per job, a running mean

    async def search(self, query: Any) -> Answer:
        """The Results of a Query. Raises as the searcher; Busy if the queue is full."""
        return await self._queued("search", query)

    async def features(self, photo: bytes) -> Answer:
        """The feature ``(D,)`` of a photo. Raises as ``search``."""
        return await self._queued("network", photo)

    async def call(self, action: Callable[[], Any]) -> Answer:
        """Runs a function in the thread. Raises as ``search``."""
        return await self._queued("call", action)

    async def close(self) -> None:
        """Wait until all accepted jobs are answered."""
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _queued(self, kind: Kind, content: Any) -> Answer:
        if len(self._waiting) >= self.room:
            raise Busy(self._pace * len(self._waiting))
        job = _Job(kind, content, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self.monitoring.waiting.set(len(self._waiting))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            jobs = self._batch()
            self.monitoring.waiting.set(len(self._waiting))
            if not jobs:
                continue
            started = time.perf_counter()
            values = await loop.run_in_executor(self._thread, self._answers, jobs)
            took = time.perf_counter() - started
            kind = jobs[0].kind
            self.monitoring.batch_size.labels(kind).observe(len(jobs))
            self.monitoring.parts.labels(kind).observe(took)
            self._pace = 0.9 * self._pace + 0.1 * took / len(jobs)
            for job, value in zip(jobs, values, strict=True):
                self.monitoring.parts.labels("wait").observe(started - job.since)
                if job.done.done():  # the client has left
                    continue
                if isinstance(value, BaseException):
                    job.done.set_exception(value)
                else:
                    job.done.set_result(Answer(value, started - job.since, took))

    def _batch(self) -> list[_Job]:
        """The first job and others of its kind, up to ``most``; cancelled jobs are dropped."""
        jobs: list[_Job] = []
        passed: list[_Job] = []
        while self._waiting and len(jobs) < self.most:
            job = self._waiting.popleft()
            if job.done.done():
                continue
            # a call ends the batch: what came after it sees it
            if jobs and "call" in (job.kind, jobs[0].kind):
                passed.append(job)
                break
            (jobs if not jobs or job.kind == jobs[0].kind else passed).append(job)
        self._waiting.extendleft(reversed(passed))
        return jobs

    def _answers(self, jobs: Sequence[_Job]) -> list[Any]:
        """One value or error per job."""
        kind, contents = jobs[0].kind, [job.content for job in jobs]
        try:
            return self._values(kind, contents)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
        found: list[Any] = []  # one bad job must not spoil the others
        for content in contents:
            try:
                found += self._values(kind, [content])
            except Exception as error:
                found.append(error)
        return found

    def _values(self, kind: Kind, contents: Sequence[Any]) -> list[Any]:
        if kind == "call":
            return [action() for action in contents]
        answer = self.searcher.search_many if kind == "search" else self.searcher.features
        values = list(answer(contents))
        if len(values) != len(contents):
            raise RuntimeError(f"{len(values)} answers to {len(contents)} jobs ({kind})")
        return values
