"""Errors whose message a command prints, without a traceback."""

from __future__ import annotations

import os
import unicodedata


class FlamError(Exception):
    """Says what was found, what was expected, where, and what to do."""


class ConfigError(FlamError):
    """A setting that does not exist, has the wrong type, or contradicts another."""


LONGEST_NAME = 150  # bytes; file systems take 255, and a suffix may follow


def not_a_name(name: str) -> str | None:
    """Why a text cannot be part of a file name; None if it can.

    >>> not_a_name("2024_11_24"), not_a_name("../mine")
    (None, "it holds '/'")
    """
    for part in ("/", "\\", ".."):
        if part in name:
            return f"it holds {part!r}"
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in name):
        return "it holds a control character"
    if not name.strip(" .") or name.startswith("."):
        return "it is empty, or starts with a dot"
    if len(os.fsencode(name)) > LONGEST_NAME:
        return f"it is longer than {LONGEST_NAME} bytes"
    return None
