"""Values and settings in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAN = float("nan")


def text_of(
    value: float, std: float = NAN, low: float = NAN, high: float = NAN, paper: float = NAN
) -> str:
    """The text of a cell, without nan parts: e.g. ``.748 ± .007 [.729, .766]``; ``-`` if empty."""
    words = [
        short(value) if value == value else "",
        f"± {short(std)}" if std == std else "",
        f"[{short(low)}, {short(high)}]" if low == low else "",
        f"(paper {short(paper)})" if paper == paper else "",
    ]
    return " ".join(filter(None, words)) or "-"


def short(value: float) -> str:
    """E.g. ``-.012``, ``1.00``."""
    if abs(value) >= 0.9995:
        return f"{value:.2f}"
    return f"{round(value, 3) + 0.0:.3f}".replace("0.", ".", 1)  # -0.0 + 0.0 is 0.0


def bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def how_intervals(seeds: Sequence[int]) -> str:
    if len(seeds) < 2:
        return "In brackets: the 95 % interval, resampled by item."
    return (
        f"Mean ± standard deviation over the seeds {', '.join(map(str, seeds))} of every trained "
        "stage (a value without ± does not depend on the seed). In brackets: the 95 % interval of "
        "the mean, for other items and other seeds."
    )


def how_edits(metrics: Mapping[str, Any]) -> str:
    counts = metrics["counts"]
    reasons = {
        "impossible_edits": "edits to a combination that no gallery image has",
        "unlabelled_edits": "edits of types that the query has no label of",
        "nothing_to_preserve_edits": "edits of the only label of the query",
    }
    left_out = ", ".join(f"{counts[n]} {why}" for n, why in reasons.items() if counts.get(n))
    if not counts["edits"]:
        return "No edit was evaluated: " + ("; ".join(metrics["notes"]) or "none is possible")
    return (
        "T@k: share of the edits with an image of exactly the wanted combination among the first "
        f"k results. {counts['edit_queries']} query images, {counts['gallery']} gallery images "
        f"(without the query itself), {counts['edits']} edits."
        + (f" Not evaluated: {left_out}." if left_out else "")
    )


def how_instances(metrics: Mapping[str, Any]) -> str:
    counts = metrics["counts"]
    how = (
        "distorted views of the gallery's own photos, which is easier than a second photo"
        if counts["instance_on_distorted_views"]
        else "consumer photos, searched among the shop photos"
    )
    return (
        "R@k: share of the queries with an image of the same item among the first k results, "
        f"without an edit. {counts['instance_queries']} queries: {how}. "
        f"{counts['instance_without_match']} more have no match in the gallery."
    )


def describe_backbone(metrics: Mapping[str, Any]) -> str:
    """E.g. ``resnet50, 20 epochs from timm, 224 px, 1024 dimensions``."""
    settings, most = metrics["config"]["backbone"], metrics["config"]["trainer"]["max_epochs"]
    epochs = settings["max_epochs"] and (most or settings["max_epochs"])
    start = settings["weights"]
    trained = f"{epochs} epoch{'s' * (epochs > 1)} from {start}" if epochs else f"{start}, frozen"
    power = settings.get("whitening")
    whitened = f", whitened (power {power:g})" if power is not None else ""
    return (
        f"{settings['model']}, {trained}, {settings['image_size']} px, "
        f"{metrics['dimensions']['flam']} dimensions{whitened}"
    )
