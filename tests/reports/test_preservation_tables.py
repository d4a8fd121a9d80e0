"""The tables of kept traits, of precision and of NDCG: what each shows, and where there is none."""

from __future__ import annotations

from typing import Any

from flam_pl.reports.tables import called, markdown, sections


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 5}


def metrics(ks: tuple[int, ...] = (1, 10)) -> dict[str, Any]:
    """Two traits; every value tells where it belongs: figure, trait, cut-off."""
    kept = {
        trait: {f"kept_of_wanted@{k}": figure(0.2 + 0.02 * t + 0.001 * k) for k in ks}
        for t, trait in enumerate(("mean", "gender", "brand"))
    }
    of_edits = {
        f"{name}@{k}": figure(0.1 + 0.2 * n + 0.001 * k)
        for n, name in enumerate(("T", "P", "as_it_was", "utility"))
        for k in ks
    }
    ndcg = {kind: {f"NDCG@{k}": figure(0.7)} for kind in ("all", "target", "other") for k in ks}
    return {
        "dataset": "mini",
        "fir": {},
        "fam": {"flam": {"all": of_edits, "color": of_edits}},
        "counterfactual": {},
        "kept": {"flam": kept},
        "ndcg": {"flam": ndcg},
        "queries": {"edited": 3, "gallery": 4},
        "edits": {"evaluated": 5, "impossible": 6},
        "seconds": {},
        "peak_memory_mb": 1,
    }


def cells(table: str) -> list[str]:
    """The values of the last row, without their intervals."""
    row = table.splitlines()[-1]
    assert "FLAM" in row
    return [cell.split()[0] for cell in row.split("|")[2:-1]]


def test_traits_and_ndcg_have_a_table_each() -> None:
    tables = {title: (how, table) for title, how, table in sections(metrics())}
    how, table = tables["Kept traits"]
    assert cells(table) == [".210", ".230", ".250"]  # mean, gender and brand at 10
    assert "gender, brand" in how and how.startswith("kept_of_wanted@10: ")
    assert "10 results that have the wanted class" in how and "gender" in table
    kinds = [title for title in tables if title.startswith("NDCG")]
    assert kinds == ["NDCG, all attributes", "NDCG, target attribute", "NDCG, other attributes"]
    assert all(how for title, (how, _) in tables.items() if title.startswith("NDCG"))


def test_edits_have_t_at_every_cut_off_and_the_other_figures_at_10() -> None:
    tables = {title: (how, table) for title, how, table in sections(metrics())}
    for title in ("Edited search, all edits", "Edits of color"):
        _, table = tables[title]
        head = [word.strip() for word in table.splitlines()[0].split("|")[2:-1]]
        assert head == ["T@1", "T@10", "P@10", "as_it_was@10", "utility@10"]
        assert cells(table) == [".101", ".110", ".310", ".510", ".710"]
    how = tables["Edited search, all edits"][0]
    assert all(f"{name}@10: " in how for name in ("P", "as_it_was", "utility"))
    assert "resampled by item" in " ".join(how.split())


def test_figures_stand_at_the_last_cut_off_where_there_is_no_10() -> None:
    tables = {title: (how, table) for title, how, table in sections(metrics((1, 3)))}
    assert tables["Kept traits"][0].startswith("kept_of_wanted@3: ")
    assert cells(tables["Kept traits"][1]) == [".203", ".223", ".243"]
    head = tables["Edits of color"][1].splitlines()[0]
    assert "P@3" in head and "P@1 " not in head


def test_a_report_of_before_there_were_such_figures_is_still_written() -> None:
    old = metrics()
    del old["kept"], old["ndcg"]
    assert "Kept" not in markdown(old) and "NDCG" not in markdown(old)
    assert "Kept" not in markdown(metrics() | {"kept": {}})


def test_scored_rows_are_called_after_their_method() -> None:
    titles = {
        "flam": "FLAM",
        "flam_plus+posteriors": "FLAM+ + posteriors",
        "cls_concat+own": "Cls-Concat + own",
        "filter": "filter, then similarity",
        "oracle": "labels known, nearest first",
        "mine": "mine",
        "mine+own": "mine+own",
        "FLAM+, 0.5": "FLAM+, 0.5",  # a title already, with a strength
    }
    assert {name: called(name) for name in titles} == titles


def test_candidates_have_a_row_for_each_depth() -> None:
    by_depth = {
        name: {depth: {"T@1": figure(0.3), "P@10": figure(value)} for depth in ("50", "all")}
        for name, value in (("flam+posteriors", 0.4), ("flam_plus+posteriors", 0.6))
    }
    tables = {title: table for title, _, table in sections(metrics() | {"by_depth": by_depth})}
    names = [line.split("|")[1].strip() for line in tables["Candidates"].splitlines()[2:]]
    assert names == [
        "FLAM + posteriors, 50",
        "FLAM + posteriors, all",
        "FLAM+ + posteriors, 50",
        "FLAM+ + posteriors, all",
    ]
