"""The tables of kept traits and NDCG: what each shows, and where there is none."""

from __future__ import annotations

from typing import Any

from flam_pl.reports.tables import markdown, sections


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 5}


def metrics(ks: tuple[int, ...] = (1, 10)) -> dict[str, Any]:
    """Two traits; every value tells where it belongs: measure, trait, cut-off."""

    def of(called: str, base: float) -> dict[str, Any]:
        return {
            trait: {f"{called}@{k}": figure(base + 0.02 * t + 0.001 * k) for k in ks}
            for t, trait in enumerate(("mean", "gender", "brand"))
        }

    kept = {
        "results": of("kept", 0.2),
        "results_to_no_edit": of("kept", 0.3),
        "hits": of("kept_hits", 0.4),
        "hits_to_no_edit": of("kept_hits", 0.5),
    }
    ndcg = {kind: {f"NDCG@{k}": figure(0.7)} for kind in ("all", "target", "other") for k in ks}
    return {
        "dataset": "mini",
        "fir": {},
        "fam": {"flam": {"all": {"T@1": figure(0.1)}, "color": {"T@1": figure(0.1)}}},
        "counterfactual": {},
        "kept": {"flam": kept},
        "ndcg": {"flam": ndcg},
        "queries": {"edited": 3, "gallery": 4},
        "edits": {"evaluated": 5, "impossible": 6},
        "seconds": {},
        "peak_memory_mb": 1,
    }


def test_each_measure_has_its_mean_its_ratio_and_its_traits() -> None:
    tables = {title: (how, table) for title, how, table in sections(metrics())}
    expected = {
        "Kept traits, all results": (".201", ".210"),
        "Kept traits, all results, relative to no edit": (".301", ".310"),
        "Kept traits, all results, by trait": (".230", ".250"),  # gender and brand at 10
        "Kept traits, hits only": (".401", ".410"),
        "Kept traits, hits only, relative to no edit": (".501", ".510"),
        "Kept traits, hits only, by trait": (".430", ".450"),
    }
    assert [title for title in tables if title.startswith("Kept")] == list(expected)
    for title, values in expected.items():
        row = tables[title][1].splitlines()[-1]
        assert "FLAM" in row and [cell.split()[0] for cell in row.split("|")[2:-1]] == [*values]
    assert "gender, brand" in tables["Kept traits, all results"][0]
    assert "gender" in tables["Kept traits, hits only, by trait"][1]
    kinds = [title for title in tables if title.startswith("NDCG")]
    assert kinds == ["NDCG, all attributes", "NDCG, target attribute", "NDCG, other attributes"]
    assert all(how for title, (how, _) in tables.items() if title.startswith(("Kept", "NDCG")))


def test_traits_are_told_apart_at_the_last_cut_off_where_there_is_no_10() -> None:
    tables = {title: how for title, how, _ in sections(metrics((1, 3)))}
    assert tables["Kept traits, all results, by trait"].startswith("kept@3 ")


def test_a_report_of_before_there_were_such_figures_is_still_written() -> None:
    old = metrics()
    del old["kept"], old["ndcg"]
    assert "Kept" not in markdown(old) and "NDCG" not in markdown(old)
    assert "Kept" not in markdown(metrics() | {"kept": {}})
