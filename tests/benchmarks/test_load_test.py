"""``make load-test`` asks a service and fills its table; how fast it is belongs into no test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("locust") is None, reason="locust is not installed")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/serving/serve_fake.py"), str(tmp_path), "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().rpartition(" ")[2].strip()
    finally:
        process.terminate()
        process.wait(30)


def load_test(*arguments: str) -> subprocess.CompletedProcess[str]:
    # in a process of its own: locust replaces sockets and threads
    command = [sys.executable, str(ROOT / "benchmarks/load_test.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


def test_the_table_has_latency_errors_and_memory(address: str) -> None:
    done = load_test("--address", address, "--users", "2", "--seconds", "3", "--rate", "20")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    table = dict((cell.strip() for cell in line.split("|")[1:3]) for line in lines)
    assert int(table["searches"]) > 5 and table["errors"] == "0"
    assert float(table["p50, ms"]) <= float(table["p95, ms"]) <= float(table["longest, ms"])
    assert 20 < float(table["memory at the end, MB"]) <= float(table["most memory, MB"])


def test_a_service_that_is_not_there_fails() -> None:
    done = load_test("--address", "http://127.0.0.1:9", "--seconds", "1")
    assert done.returncode == 1 and "does not answer" in done.stdout
