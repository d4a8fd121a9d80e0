"""Figures as tables: Markdown for the report, plain text for the end of a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

TITLES = {
    "no_edit": "no edit",
    "arithmetic": "arithmetic",
    "memory": "linear memory",
    "cls_concat": "Cls-Concat",
    "emb_concat": "Emb-Concat",
    "flam_s_adv": "FLAM (S, adv)",
    "flam_m": "FLAM (M)",
    "flam_m_adv": "FLAM (M, adv)",
    "flam": "FLAM",
    "scored_only": "no edit, scored",
    "flam_plus_unscored": "FLAM+ unscored",
    "flam_plus": "FLAM+",
}
"""What the methods are called in tables, in their order there."""


def called(method: str) -> str:
    """Its title; a method that has none keeps its own name."""
    return TITLES.get(method, method)


def cell(figure: Mapping[str, float]) -> str:
    """``.642 [.631, .655]``: the value and its 95 % interval."""
    return f"{short(figure['value'])} {interval(figure)}" if figure["n"] else "-"


def interval(figure: Mapping[str, float]) -> str:
    return f"[{short(figure['low'])}, {short(figure['high'])}]"


def short(value: float) -> str:
    """``.642``, ``-.012``, ``1.00``."""
    if abs(value) >= 0.9995:
        return f"{value:.2f}"
    return f"{value:.3f}".replace("0.", ".", 1)


def methods_table(by_method: Mapping[str, Mapping[str, Any]], style: str = "github") -> str:
    """A row a method, a column a cut-off."""
    columns = list(next(iter(by_method.values())))
    body = [
        [called(name), *(cell(figures[c]) for c in columns)] for name, figures in by_method.items()
    ]
    return str(tabulate(body, headers=["method", *columns], tablefmt=style, disable_numparse=True))


def instances_table(fir: Mapping[str, Any], style: str = "github") -> str:
    """One row, a column a cut-off."""
    body = [[cell(figure) for figure in fir.values()]]
    return str(tabulate(body, headers=list(fir), tablefmt=style, disable_numparse=True))


def sections(metrics: Mapping[str, Any], style: str = "github") -> list[tuple[str, str, str]]:
    """Title, explanation and table of each part of the report, in reading order."""
    parts = _edit_sections(metrics, style) if metrics["fam"] else []
    queries = metrics["queries"]
    if metrics["fir"]:
        how = (
            "distorted views of the gallery's own photos, since this data set has one photo an "
            "item: easier than a second photo would be"
            if queries["instance_on_distorted_views"]
            else "consumer photos, searched among the shop photos"
        )
        parts.append(
            (
                "Instance search",
                f"R@k: the item itself is among the first k. {queries['instance']} queries: {how}. "
                "The manipulator does not touch the stored features, so this is FLAM's figure too. "
                f"Queries without any image to be found: {queries['instance_without_match']}.",
                instances_table(metrics["fir"], style),
            )
        )
    return parts


def _edit_sections(metrics: Mapping[str, Any], style: str) -> list[tuple[str, str, str]]:
    """The same for the edits; a data set without images that carry all labels has none."""
    queries, edits = metrics["queries"], metrics["edits"]
    groups = list(next(iter(metrics["fam"].values())))
    parts = [
        (
            "Edited search, all edits",
            f"T@k: the first k results hold an image with exactly the wanted combination of "
            f"{', '.join(groups[1:])}. {queries['edited']} query images, {queries['gallery']} "
            f"gallery images (the query itself left out), {edits['evaluated']} edits; "
            f"{edits['impossible']} more ask for a combination that no gallery image has and do "
            "not count. In brackets the 95 % interval, resampled by query image.",
            methods_table({m: of["all"] for m, of in metrics["fam"].items()}, style),
        )
    ]
    for group in groups[1:]:
        table = methods_table({m: of[group] for m, of in metrics["fam"].items()}, style)
        parts.append((f"Edits of {group}", "", table))
    if metrics.get("fam_pairs"):
        parts.append(_pairs_section(metrics["fam_pairs"], style))
    if metrics.get("strength"):
        parts.append(_strength_section(metrics["strength"], list(metrics["fam"])[-1], style))
    if metrics["counterfactual"]:
        parts.append(
            (
                "Counterfactuals",
                "CF@k: the first k results hold the same item with just this attribute changed.",
                methods_table(metrics["counterfactual"], style),
            )
        )
    return parts


def _pairs_section(fam_pairs: Mapping[str, Any], style: str) -> tuple[str, str, str]:
    """Two edits at once, over all pairs of types; metrics.json has each pair."""
    pairs = next(iter(fam_pairs.values()))
    names = list(pairs)[1:]
    count = next(iter(pairs["all"].values()))["n"]
    return (
        "Two edits at once",
        f"T@k after two wishes for different attributes ({', '.join(names)}), {count} drawn at "
        "random among those that some gallery image answers.",
        methods_table({m: of["all"] for m, of in fam_pairs.items()}, style),
    )


def _strength_section(strength: Mapping[str, Any], method: str, style: str) -> tuple[str, str, str]:
    """A row a strength."""
    body = [
        [name, cell(of["wanted_first"]), cell(of["cosine_to_query"])]
        for name, of in strength.items()
    ]
    head = ["strength", "first result has the wanted class", "cosine to the unedited query"]
    count = next(iter(strength.values()))["wanted_first"]["n"]
    return (
        f"Strength of a wish, {called(method)}",
        f"From 0, the plain search, to 1, all that was asked for: {count} edits each, of query "
        "images drawn at random.",
        str(tabulate(body, headers=head, tablefmt=style, disable_numparse=True)),
    )


def markdown(metrics: Mapping[str, Any]) -> str:
    """The whole of ``tables.md``."""
    lines = [f"# {metrics['dataset']}", ""]
    for title, explanation, table in sections(metrics):
        lines += [f"## {title}", ""]
        lines += [explanation, ""] if explanation else []
        lines += [table, ""]
    lines += [f"- {note}" for note in metrics.get("notes", [])] + [""]
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in metrics["seconds"].items())
    lines += [f"Time: {seconds}. Peak memory: {metrics['peak_memory_mb']} MB.", ""]
    return "\n".join(lines)


def summary(metrics: Mapping[str, Any]) -> str:
    """What is printed at the end of a command."""
    wanted = ("Edited search, all edits", "Counterfactuals", "Instance search")
    return "\n\n".join(
        f"{title}\n{table}"
        for title, _, table in sections(metrics, style="simple")
        if title in wanted
    )
