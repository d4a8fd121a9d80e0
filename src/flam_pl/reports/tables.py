"""Figures as tables: Markdown for the report, plain text for the end of a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from flam_pl.evaluation.oracle import ORACLE
from flam_pl.evaluation.preservation import MEAN
from flam_pl.retrieval.scoring import FILTER

TITLES = {
    "no_edit": "no edit",
    "arithmetic": "arithmetic",
    "slerp": "slerp",
    "cls_concat": "Cls-Concat",
    "emb_concat": "Emb-Concat",
    "adde_m": "ADDE-M",
    "flam_s_adv": "FLAM (S, adv)",
    "flam_m": "FLAM (M)",
    "flam_m_adv": "FLAM (M, adv)",
    "flam": "FLAM",
    "tirg": "TIRG",
    "flam_plus": "FLAM+",
    FILTER: "filter, then similarity",
    ORACLE: "labels known, nearest first",
}
"""What the methods are called in tables, in their order there."""

STRENGTH = {
    "wanted_first": "first result has the wanted class",
    "cosine_to_query": "cosine to the unedited query",
}
"""What two of the figures of each strength are called in tables."""


def called(method: str) -> str:
    """Its title, e.g. ``FLAM+ + posteriors``; a method that has none keeps its own name."""
    name, plus, scored_by = method.partition("+")
    return f"{TITLES[name]} + {scored_by}" if plus and name in TITLES else TITLES.get(name, method)


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


def main_columns(by_method: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """T@k at every cut-off, the other figures at 10 alone (or, without it, at the last)."""
    columns = list(next(iter(by_method.values())))
    cut_offs = [name.partition("@")[2] for name in columns]
    k = str(BY_TRAIT) if str(BY_TRAIT) in cut_offs else cut_offs[-1]
    kept = [name for name in columns if name.startswith("T@") or name.endswith(f"@{k}")]
    return {m: {name: of[name] for name in kept} for m, of in by_method.items()}


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
            "not count. P@10: share of the first 10 results with the wanted class; as_it_was@10: "
            "share with exactly the query's own combination; utility@10: discounted worth of the "
            "results, none without the wanted class. In brackets the 95 % interval, resampled by "
            "item.",
            methods_table(main_columns({m: of["all"] for m, of in metrics["fam"].items()}), style),
        )
    ]
    if metrics.get("macro"):
        how = (
            "T@k as a mean over the wanted combinations: rare ones count as much as frequent ones."
        )
        table = methods_table(metrics["macro"], style)
        parts.append(("Edited search, mean over combinations", how, table))
    for group in groups[1:]:
        of_group = {m: of[group] for m, of in metrics["fam"].items()}
        table = methods_table(main_columns(of_group), style)
        parts.append((f"Edits of {group}", "", table))
    if metrics.get("fam_pairs"):
        parts.append(_pairs_section(metrics["fam_pairs"], style))
    if metrics.get("by_strength"):
        *_, (method, strengths) = metrics["by_strength"].items()
        parts.append(_strength_section(strengths, method, style))
    if metrics.get("by_depth"):
        parts.append(_depth_section(metrics["by_depth"], style))
    if metrics["counterfactual"]:
        parts.append(
            (
                "Counterfactuals",
                "CF@k: the first k results hold the same item with just this attribute changed. "
                f"{called(ORACLE)}: of the images with exactly the wanted combination those "
                "nearest to the query first.",
                methods_table(metrics["counterfactual"], style),
            )
        )
    return parts + _kept_sections(metrics, style) + _ndcg_sections(metrics, style)


BY_TRAIT = 10
"""The cut-off at which the traits are told apart, where it was measured."""


def _kept_sections(metrics: Mapping[str, Any], style: str) -> list[tuple[str, str, str]]:
    """What the edits keep, mean and by trait; a data set without traits has none."""
    kept = {m: of for m, of in (metrics.get("kept") or {}).items() if of}
    if not kept:
        return []
    of_traits = next(iter(kept.values()))
    traits = [name for name in of_traits if name != MEAN]
    cut_offs = [name.partition("@")[2] for name in of_traits[MEAN]]
    k = str(BY_TRAIT) if str(BY_TRAIT) in cut_offs else cut_offs[-1]
    name = f"kept_of_wanted@{k}"
    at_k = {m: {t: of[t][name] for t in (MEAN, *traits)} for m, of in kept.items()}
    how = (
        f"{name}: of the first {k} results that have the wanted class, the share that agrees with "
        f"the query in a trait ({', '.join(traits)}), which nobody trains on and no edit asks for."
    )
    return [("Kept traits", how, methods_table(at_k, style))]


def _depth_section(by_depth: Mapping[str, Any], style: str) -> tuple[str, str, str]:
    """A row per method and depth."""
    rows = {
        f"{called(method)}, {depth}": figures
        for method, of in by_depth.items()
        for depth, figures in of.items()
    }
    return (
        "Candidates",
        "Only so many photos, the nearest by the feature alone, are scored by the whole vectors.",
        methods_table(rows, style),
    )


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


CALIBRATION = {
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
            CALIBRATION[kind],
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
        f"T@k after two edits for different attributes ({', '.join(names)}), {count} drawn at "
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
        f"Strength of an edit, {called(method)}",
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
