"""How programs write CSV files: what separates the cells, and what stands for an empty one."""

from __future__ import annotations

import re

DELIMITERS = ",;\t|"
NOTHING = {"nan", "none", "null", "na", "n/a", "<na>", "nat", "#n/a"}  # empty cells of programs
TOLD = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that Excel reads


def delimiter_of(first_line: str, delimiters: str = DELIMITERS) -> tuple[str, bool]:
    """The delimiter of a file, and whether its first line only tells it. Else that line is the
    header: its most frequent delimiter counts, among equals the first of ``delimiters``.

    >>> delimiter_of("path;price"), delimiter_of("sep=;")
    ((';', False), (';', True))
    """
    told = TOLD.fullmatch(first_line)
    return (told[1], True) if told else (max(delimiters, key=first_line.count), False)
