"""The commands of the program and their help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command and the settings that it is mostly used with."""

    run: Callable[[Sequence[str]], None]
    settings: tuple[str, ...]
    in_conf: bool = True  # whether every key of conf/ is a setting too

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.run.__doc__ or "").splitlines()[0]


def help_of(commands: Mapping[str, Command], name: str | None = None) -> str:
    """The list of commands, or one command with its settings."""
    if name is None:
        lines = [f"  {key:<16} {command.summary}" for key, command in commands.items()]
        usage = "flam-pl <command> [key=value ...]     flam-pl <command> --help"
        return "\n".join([usage, "", *lines])
    command, usage = commands[name], f"flam-pl {name} [key=value ...]"
    settings = [f"  {line}" for line in command.settings]
    tail = ["", "Every setting is a key of conf/; flam-pl config lists them all."]
    lines = [usage, "", command.summary, "", *settings, *(tail if command.in_conf else [])]
    return "\n".join(lines)
