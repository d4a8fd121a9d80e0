"""The one kind of error that is meant for the user: shown as its message, without a traceback."""

from __future__ import annotations


class FlamError(Exception):
    """What was got, what was expected, where, and what to do about it."""


class ConfigError(FlamError):
    """A setting that does not exist, has the wrong type, or contradicts another."""
