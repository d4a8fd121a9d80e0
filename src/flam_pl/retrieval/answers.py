"""The line above the results of a search."""

from __future__ import annotations


def sentence(wanted: str, answer: float, threshold: float) -> str:
    """The wanted classes, and the probability that a photo of the gallery has them.

    >>> sentence("dress red", 0.93, threshold=0.3)
    '"dress red" (there is one with probability 93 %)'
    """
    percent = f"there is one with probability {100 * min(max(answer, 0.01), 0.99):.0f} %"
    if answer < threshold:
        return f'No photo of the gallery seems to be "{wanted}" ({percent})'
    return f'"{wanted}" ({percent})'
