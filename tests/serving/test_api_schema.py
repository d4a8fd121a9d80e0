"""The OpenAPI description is what the service does: schemathesis makes requests from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("schemathesis")
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

# "photo" of a form cannot be made from a description: a valid form may hold no photo. Nor can
# classes, columns and ids: so valid data may be refused.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "serve_fake.py"), str(folder), "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().rpartition(" ")[2].strip()
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")
    finally:
        process.terminate()
        assert process.wait(30) == 0


OPERATIONS = (
    "GET /v1/attributes",
    "GET /v1/items",
    "GET /v1/items/{id}",
    "GET /v1/items/{id}/image",
    "PUT /v1/items/{id}",
    "DELETE /v1/items/{id}",
    "POST /v1/photos",
    "GET /v1/photos/{photo}/image",
    "POST /v1/search",
    "GET /health",
    "GET /metrics",
)


def operations(served: Any) -> dict[str, Any]:
    return {operation.ok().label: operation.ok() for operation in served.get_all_operations()}


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_service_does_what_its_description_says(
    served: Any, name: str, mode: GenerationMode
) -> None:
    operation, done = operations(served)[name], 0
    checks = [*CHECKS, negative_data_rejection] if name == "POST /v1/search" else CHECKS

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        nonlocal done
        case.call_and_validate(checks=checks)
        done += 1

    try:
        ask()
    except Unsatisfiable:  # an endpoint without parameters takes no wrong data
        assert mode is GenerationMode.NEGATIVE
        return
    assert done


def test_the_description_names_every_endpoint(served: Any) -> None:
    assert set(operations(served)) == set(OPERATIONS)
