"""The guard limits bodies while they arrive, in time and in all; batches hold back nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from flam_pl.errors import FlamError
from flam_pl.serving.web import guards
from flam_pl.serving.web.batching import Batcher, Busy
from flam_pl.serving.web.guards import Guard, Rules
from flam_pl.serving.web.monitoring import Monitoring

Receive = Callable[[], Awaitable[dict[str, Any]]]


async def counts_the_body(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({"bytes": len(await Request(scope, receive).body())})(scope, receive, send)


async def answer_of(
    guard: Guard, receive: Receive, path: str = "/v1/photos"
) -> tuple[int, dict[str, Any]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    scope |= {"query_string": b"", "raw_path": path.encode()}
    await guard(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def pieces(count: int, size: int, gate: asyncio.Event | None = None) -> Receive:
    left = count

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        if left == 0 and gate is not None:
            await gate.wait()
        return {"type": "http.request", "body": bytes(size), "more_body": left > 0}

    return receive


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "BODY_SECONDS", 0.05)

    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    guard = Guard(counts_the_body, Rules(), Monitoring())
    status, body = asyncio.run(answer_of(guard, never))
    assert status == 408 and body["error"]["code"] == "invalid"


def test_a_body_in_pieces_is_counted() -> None:
    guard = Guard(counts_the_body, Rules(photo_bytes=2**20), Monitoring())
    assert asyncio.run(answer_of(guard, pieces(10, 2**16))) == (200, {"bytes": 10 * 2**16})
    status, body = asyncio.run(answer_of(guard, pieces(100, 2**16)))
    assert status == 413 and body["error"]["code"] == "too_large"
    assert guard._bodies == 0  # given back after every request


def test_all_bodies_together_are_bounded_and_small_ones_still_get_in() -> None:
    async def scene() -> None:
        rules = Rules(photo_bytes=2**20, all_bodies=2**20)
        guard, gate = Guard(counts_the_body, rules, Monitoring()), asyncio.Event()
        slow = asyncio.create_task(answer_of(guard, pieces(15, 2**16, gate)))
        await asyncio.sleep(0.05)
        status, body = await answer_of(guard, pieces(15, 2**16))
        assert status == 429 and body["error"]["code"] == "busy"
        assert (await answer_of(guard, pieces(2, 1000)))[0] == 200
        gate.set()
        assert (await slow)[0] == 200
        assert (await answer_of(guard, pieces(15, 2**16)))[0] == 200

    asyncio.run(scene())


class Recorded:
    """A searcher that doubles numbers, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.wrong_count = False

    def search_many(self, queries: list[Any]) -> list[Any]:
        self.asked.append(("search", list(queries)))
        if 13 in queries:
            raise RuntimeError("unlucky")
        if self.wrong_count:
            return []
        return [FlamError("odd") if query % 2 else 2 * query for query in queries]

    def features(self, photos: list[Any]) -> list[Any]:
        self.asked.append(("network", list(photos)))
        return [len(photo) for photo in photos]


def test_jobs_of_a_kind_are_answered_together_in_order_around_calls() -> None:
    async def scene() -> None:
        searcher = Recorded()
        batcher = Batcher(searcher, Monitoring(), most=3)
        jobs: list[Any] = [batcher.search(n) for n in (2, 4)] + [batcher.features(b"abc")]
        jobs += [batcher.search(6), batcher.search(8), batcher.call(lambda: "written")]
        jobs += [batcher.search(10)]
        answers = await asyncio.gather(*jobs)
        assert [answer.value for answer in answers] == [4, 8, 3, 12, 16, "written", 20]
        kinds = [(kind, asked) for kind, asked in searcher.asked]
        assert kinds[0] == ("search", [2, 4, 6]) and kinds[1] == ("network", [b"abc"])
        # what came after the call is searched after it
        assert kinds[2:] == [("search", [8]), ("search", [10])]
        await batcher.close()

    asyncio.run(scene())


def test_an_error_or_a_fault_concerns_its_job() -> None:
    async def scene() -> None:
        searcher = Recorded()
        batcher = Batcher(searcher, Monitoring())
        jobs = [batcher.search(n) for n in (2, 3, 13, 4)]
        answers = await asyncio.gather(*jobs, return_exceptions=True)
        assert answers[0].value == 4 and answers[3].value == 8
        assert isinstance(answers[1], FlamError) and isinstance(answers[2], RuntimeError)
        searcher.wrong_count = True
        with pytest.raises(RuntimeError, match="0 answers"):
            await batcher.search(2)
        searcher.wrong_count = False
        assert (await batcher.search(2)).value == 4  # it goes on
        await batcher.close()

    asyncio.run(scene())


def test_a_client_that_left_costs_nothing_and_a_full_queue_says_when() -> None:
    async def scene() -> None:
        searcher = Recorded()
        batcher = Batcher(searcher, Monitoring(), most=1, room=3)
        tasks = [asyncio.create_task(batcher.search(n)) for n in (2, 4, 6)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="try again in 1 s"):
            await batcher.search(8)
        tasks[1].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(a, "value", None) for a in answers] == [4, None, 12]
        await batcher.close()
        assert searcher.asked == [("search", [2]), ("search", [6])]

    asyncio.run(scene())
