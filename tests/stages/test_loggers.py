"""W&B without a question, a stall or a network: its mode, and what an offline run holds."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from flam_pl.stages.loggers import wandb_mode


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nobody is logged in, and any connection is an error of the test."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)
    return monkeypatch


class Connection:
    def close(self) -> None:
        pass


def test_auto_without_a_key_is_no_wandb_at_all(nobody: pytest.MonkeyPatch) -> None:
    assert wandb_mode("auto") is None


def test_never_online_without_a_key(nobody: pytest.MonkeyPatch) -> None:
    """W&B would stop and ask for one."""
    nobody.setattr(socket, "create_connection", lambda *_, **__: Connection())
    for wanted in ("auto", "online", "offline", "off"):
        assert wandb_mode(wanted) != "online", wanted


@pytest.mark.parametrize("wanted", ["auto", "online"])
def test_online_with_a_key_and_a_network(wanted: str, nobody: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Any]] = []

    def connect(address: tuple[str, int], timeout: float) -> Connection:
        asked.append((address, timeout))
        return Connection()

    nobody.setenv("WANDB_API_KEY", "k" * 40)
    nobody.setattr(socket, "create_connection", connect)
    assert wandb_mode(wanted) == "online"
    assert asked == [(("api.wandb.ai", 443), 3)]
    nobody.setenv("WANDB_BASE_URL", "http://wandb.local:8080")
    wandb_mode(wanted)
    assert asked[-1][0] == ("wandb.local", 8080)


@pytest.mark.parametrize("wanted", ["auto", "online"])
@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), TimeoutError()])
def test_offline_when_the_server_cannot_be_reached(
    wanted: str, error: OSError, nobody: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise error

    nobody.setenv("WANDB_API_KEY", "k" * 40)
    nobody.setattr(socket, "create_connection", unreachable)
    with pytest.warns(UserWarning, match=r"api\.wandb\.ai cannot be reached"):
        assert wandb_mode(wanted) == "offline"


def test_a_key_in_netrc_counts_as_logged_in(nobody: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".netrc"
    file.write_text("machine api.wandb.ai login user password " + "k" * 40)
    file.chmod(0o600)
    nobody.setattr(socket, "create_connection", lambda *_, **__: Connection())
    assert wandb_mode("auto") == "online"
    file.write_text("machine example.org login user password secret")
    assert wandb_mode("auto") is None
    file.write_text("this is no netrc")
    assert wandb_mode("auto") is None


@pytest.mark.parametrize(
    ("wanted", "variable", "expected"),
    [
        ("off", None, None),
        ("offline", None, "offline"),
        ("online", "disabled", None),
        ("online", "offline", "offline"),
        ("auto", "offline", "offline"),
        ("offline", "disabled", None),
        ("off", "offline", None),
    ],
)
def test_what_is_asked_for_needs_no_network(
    wanted: str, variable: str | None, expected: str | None, nobody: pytest.MonkeyPatch
) -> None:
    nobody.setenv("WANDB_API_KEY", "k" * 40)
    if variable:
        nobody.setenv("WANDB_MODE", variable)
    assert wandb_mode(wanted) == expected
