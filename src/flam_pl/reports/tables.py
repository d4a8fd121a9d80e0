"""Figures as tables: Markdown for the report, plain text for the end of a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from flam_pl.editing.kept import MEAN, MEASURES, RELATIVE
from flam_pl.editing.known_labels import ANY, NEAREST

TITLES = {
    "no_edit": "no edit",
    "arithmetic": "arithmetic",
    "arithmetic_far": "arithmetic, 4 times as far",
    "memory": "linear memory",
    "cls_concat": "Cls-Concat",
    "cls_concat_best": "Cls-Concat (best setting)",
    "emb_concat": "Emb-Concat",
    "emb_concat_best": "Emb-Concat (best setting)",
    "flam_s_adv": "FLAM (S, adv)",
    "flam_m": "FLAM (M)",
    "flam_m_adv": "FLAM (M, adv)",
    "flam": "FLAM",
    "flam_plus_one_member": "FLAM+ (one member)",
    "flam_plus_triplet": "FLAM+ (triplet loss)",
    "flam_plus_labels_alone": "FLAM+ (labels alone)",
    "flam_plus_less_noise": "FLAM+ (less noise)",
    "flam_plus_working_dim": "FLAM+ (256 directions)",
    "flam_plus_adversarial": "FLAM+ (paper's losses)",
    "flam_plus_both": "FLAM+ (both losses)",
    "scored_only": "no edit, scored",
    "flam_plus_unscored": "FLAM+ unscored",
    "flam_plus_by_agreement": "FLAM+ (no likeness)",
    "flam_plus_at_once": "FLAM+ (not in turn)",
    "flam_plus": "FLAM+",
    ANY: "labels known, any",
    NEAREST: "labels known, nearest first",
}
"""What the methods are called in tables, in their order there."""

STRENGTH = {
    "wanted_first": "first result has the wanted class",
    "cosine_to_query": "cosine to the unedited query",
}
"""What two of the figures of each strength are called in tables."""


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
    return f"{round(value, 3) + 0.0:.3f}".replace("0.", ".", 1)  # -0.0 + 0.0 is 0.0


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
    if metrics.get("calibration"):
        parts.append(_sureness_section(metrics["calibration"], style))
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
    if metrics.get("by_strength"):
        *_, (method, strengths) = metrics["by_strength"].items()
        parts.append(_strength_section(strengths, method, style))
    if metrics["counterfactual"]:
        parts.append(
            (
                "Counterfactuals",
                "CF@k: the first k results hold the same item with just this attribute changed. "
                f"{called(NEAREST)}: of the images with exactly the wanted combination those most "
                "like the query first.",
                methods_table(metrics["counterfactual"], style),
            )
        )
    return parts + _kept_sections(metrics, style) + _ndcg_sections(metrics, style)


KEPT = {
    "results": (
        "all results",
        "kept@k: share of the first k results that agree with the query in a trait, averaged over "
        "{traits}, which nobody trains on and no edit asks for; where the query or the result has "
        "no value, nothing is counted. No edit keeps the most and finds the least: read it beside "
        "T@k. Labels known: the images with exactly the wanted combination come first, then the "
        "others, each part with those most like the query first, or in any order.",
    ),
    "hits": (
        "hits only",
        "kept_hits@k: the same over only those of the first k results that have exactly the wanted "
        "combination, so that nothing is gained by missing.",
    ),
}
"""Of each measure of kept traits: what the title says of it, and its explanation."""

BY_TRAIT = 10
"""The cut-off at which the traits are told apart, where it was measured."""


def _kept_sections(metrics: Mapping[str, Any], style: str) -> list[tuple[str, str, str]]:
    """What the edits keep, mean and by trait; a data set without traits has none."""
    kept = metrics.get("kept") or {}
    if not kept:
        return []
    of_traits = next(iter(kept.values()))["results"]
    traits = [name for name in of_traits if name != MEAN]
    cut_offs = [name.partition("@")[2] for name in of_traits[MEAN]]
    k = str(BY_TRAIT) if str(BY_TRAIT) in cut_offs else cut_offs[-1]
    parts = []
    for measure, (which, how) in KEPT.items():
        title = f"Kept traits, {which}"
        means = {m: of[measure][MEAN] for m, of in kept.items()}
        parts.append((title, how.format(traits=", ".join(traits)), methods_table(means, style)))
        means = {m: of[measure + RELATIVE][MEAN] for m, of in kept.items()}
        how = "The same divided by kept@k of no edit (of all its results), resampled together."
        parts.append((f"{title}, relative to no edit", how, methods_table(means, style)))
        at_k = {
            m: {t: of[measure][t][f"{MEASURES[measure]}@{k}"] for t in traits}
            for m, of in kept.items()
        }
        how = f"{MEASURES[measure]}@{k} of each trait."
        parts.append((f"{title}, by trait", how, methods_table(at_k, style)))
    return parts


NDCG = {
    "all": "2^r - 1 is gained at each rank, discounted by log2(rank + 1), with r the share of all "
    "attributes that are as wanted; 1 is the gallery without the query in the order of r.",
    "target": "r is 1 where the edited attribute has the wanted class, else 0.",
    "other": "r is the share of the attributes that were not edited and that are the query's.",
}
"""What the relevance r of a result is, by kind."""


def _ndcg_sections(metrics: Mapping[str, Any], style: str) -> list[tuple[str, str, str]]:
    """NDCG@k by kind of relevance, in the order of ``NDCG``."""
    by_method = metrics.get("ndcg") or {}
    parts = []
    for kind, how in NDCG.items():
        of_kind = {m: of[kind] for m, of in by_method.items() if kind in of}
        if of_kind:
            title = f"NDCG, {kind} attribute{'' if kind == 'target' else 's'}"
            parts.append((title, how, methods_table(of_kind, style)))
    return parts


SURENESS = {
    "attribute": "a result has the wanted attribute",
    "combination": "a result has the whole combination",
    "answer": "the gallery has the combination",
}
"""What an edited search says the probability of."""


def _sureness_section(calibration: Mapping[str, Any], style: str) -> tuple[str, str, str]:
    """How far the probabilities of edited searches can be believed."""
    answer = calibration["answer"]
    auroc = answer["AUROC"]
    body = [
        [
            SURENESS[kind],
            *(short(of["raw"][name]["value"]) for name in ("ECE", "Brier")),
            short(of["ECE"]["value"]),
            cell(of["Brier"]),
            cell(of["observed"]),
        ]
        for kind, of in calibration.items()
    ]
    headers = ["said", "ECE, raw", "Brier, raw", "ECE", "Brier", "true"]
    return (
        "How sure the search is",
        "The embedders' probabilities (raw) set right on the validation split's own edited "
        f"searches. ECE: expected calibration error, {len(answer['bins'])} bins of equal width. "
        f"Of the edits without an answer in the gallery {cell(answer['told_rightly'])} are told "
        f"so, and of those with one {cell(answer['told_wrongly'])}: where the probability of an "
        f"answer is below {short(answer['threshold'])}, as chosen on validation. AUROC of the two: "
        f"{short(auroc['value']) if auroc['n'] else '-'}. Here edits count that no photo answers.",
        str(tabulate(body, headers=headers, tablefmt=style, disable_numparse=True)),
    )


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
    first = next(iter(strength.values()))
    body = [[name, *(cell(of[figure]) for figure in first)] for name, of in strength.items()]
    head = ["strength", *(STRENGTH.get(figure, figure) for figure in first)]
    count = first["wanted_first"]["n"]
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
