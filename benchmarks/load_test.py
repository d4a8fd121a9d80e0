"""Asks a running service for edited searches: latency, errors, memory over time.

python benchmarks/load_test.py --address http://127.0.0.1:8000 --users 8 --rate 30 --seconds 600

Each user searches from a random item of the gallery, with one edit to another class. The memory is
that of the server's process where it runs on this machine, else what its /metrics says.
"""

from __future__ import annotations

from locust import FastHttpUser, task  # first: it replaces sockets and ssl

# isort: split
import argparse
import random
import re
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import gevent
import psutil
import requests
from locust.env import Environment

ITEMS = 600  # of the gallery, as query photos
SAMPLES = 200  # of the memory


class Shopper(FastHttpUser):
    """Searches again and again; ``main`` fills in the rest."""

    abstract = True
    ids: list[str] = []
    classes: dict[str, list[str]] = {}
    headers: dict[str, str] = {}
    refused: list[str] = []  # edits that cannot apply to their item: answers, not faults

    rate = 0.0  # searches per second of one user
    due = 0.0

    def wait_time(self) -> float:
        """Seconds until the next search: they come at random times, not all users at once."""
        if not self.rate:
            return 0.0
        now = time.perf_counter()
        self.due = max(self.due or now, now - 10) + random.expovariate(self.rate)
        return max(0.0, self.due - now)

    @task
    def search(self) -> None:
        name = random.choice(list(self.classes))
        body = {
            "id": random.choice(self.ids),
            "edits": [{"attribute": name, "to": random.choice(self.classes[name])}],
            "limit": 24,
        }
        with self.client.post(
            "/v1/search", json=body, headers=self.headers, catch_response=True, name="search"
        ) as response:
            if response.status_code == 400 and "bad_edit" in (response.text or ""):
                self.refused.append(name)
                response.success()
            elif response.status_code != 200:
                response.failure(f"{response.status_code}: {(response.text or '')[:120]}")


def catalogue(address: str, headers: dict[str, str]) -> tuple[list[str], dict[str, list[str]]]:
    """Ids from the whole gallery, and the classes of every attribute."""
    session = requests.Session()
    session.headers.update(headers)

    def get(path: str, **query: Any) -> Any:
        response = session.get(address + path, params=query, timeout=30)
        response.raise_for_status()
        return response.json()

    found = get("/v1/attributes")
    ids: list[str] = []
    pages, limit = 4, ITEMS // 4
    for page in range(pages):
        offset = page * max(found["photos"] - limit, 0) // max(pages - 1, 1)
        ids += [item["id"] for item in get("/v1/items", offset=offset, limit=limit)["items"]]
    return sorted(set(ids)), {a["name"]: a["classes"] for a in found["attributes"]}


def server_process(address: str) -> psutil.Process | None:
    """The process that listens at the address, if it is on this machine."""
    parts = urlsplit(address)
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    port = parts.port or 80
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
                return psutil.Process(each.pid)
    except psutil.Error:
        pass
    return None


def memory(address: str, process: psutil.Process | None) -> float:
    """Resident MB of the server."""
    if process is not None:
        return process.memory_info().rss / 2**20
    text = requests.get(f"{address}/metrics", timeout=30).text
    found = re.search(r"^process_resident_memory_bytes (\S+)", text, re.M)
    return float(found[1]) / 2**20 if found else float("nan")


def slope(samples: list[tuple[float, float]]) -> float:
    """MB per minute in the second half, by least squares: the first fills caches."""
    late = samples[len(samples) // 2 :]
    times, values = [t / 60 for t, _ in late], [value for _, value in late]
    center = sum(times) / len(times)
    spread = sum((t - center) ** 2 for t in times)
    level = sum(values) / len(values)
    products = sum((t - center) * (v - level) for t, v in zip(times, values, strict=True))
    return products / spread if spread else 0.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=30, help="searches per second; 0: no limit")
    parser.add_argument("--key", default="", help="API key")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    random.seed(options.seed)
    address = options.address.rstrip("/")
    headers = {"X-API-Key": options.key} if options.key else {}
    try:
        ids, classes = catalogue(address, headers)
    except requests.RequestException as error:
        print(f"{address} does not answer as expected: {error}")
        return 1
    if not ids:
        print("the gallery is empty")
        return 1
    content = {"abstract": False, "headers": headers, "ids": ids, "classes": classes}
    user = type("Visitor", (Shopper,), content | {"rate": options.rate / options.users})
    environment = Environment(user_classes=[user], host=address, catch_exceptions=True)
    runner = environment.create_local_runner()
    process, samples, started = server_process(address), [], time.perf_counter()
    runner.start(options.users, spawn_rate=options.users)
    while (now := time.perf_counter() - started) < options.seconds:
        samples.append((now, memory(address, process)))
        gevent.sleep(min(options.seconds / SAMPLES + 0.1, options.seconds - now + 0.001))
    runner.quit()
    environment.runner.greenlet.join()
    total = environment.stats.total
    at = {share: total.get_response_time_percentile(share) for share in (0.5, 0.95, 0.99)}
    values = [value for _, value in samples]
    rows = [
        ("searches", f"{total.num_requests:,}"),
        ("errors", f"{total.num_failures:,}"),
        ("edits that cannot apply", f"{len(Shopper.refused):,}"),
        ("searches per second", f"{total.num_requests / options.seconds:.1f}"),
        *((f"p{100 * share:.0f}, ms", f"{ms:.0f}") for share, ms in at.items()),
        ("longest, ms", f"{total.max_response_time:.0f}"),
        ("memory at the start, MB", f"{values[0]:.0f}"),
        ("memory at the end, MB", f"{values[-1]:.0f}"),
        ("most memory, MB", f"{max(values):.0f}"),
        ("growth in the second half, MB per minute", f"{slope(samples):+.2f}"),
    ]
    print(f"| {options.users} users, {options.seconds:g} s | |\n| --- | ---: |")
    print("\n".join(f"| {name} | {value} |" for name, value in rows))
    for error in environment.stats.errors.values():
        print(f"{error.occurrences} times: {error.error}")
    return 1 if total.num_failures or not total.num_requests else 0


if __name__ == "__main__":
    sys.exit(main())
