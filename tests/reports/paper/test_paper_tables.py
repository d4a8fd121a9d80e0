"""The paper's tables from invented metrics: what stands where, and when the paper beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flam_pl.reports.paper.tables import PaperTables, published, write
from flam_pl.reports.tables import Table
from made_metrics import TYPES, made_metrics, without_edits


def tables(dataset: str, seeds: int = 1, **changes: Any) -> PaperTables:
    found = [made_metrics(seed, dataset=dataset) for seed in range(seeds)]
    for metrics in found:
        of = metrics["classification"]
        change = np.mean(
            [of["manipulated"][t]["value"] - of["original"][t]["value"] for t in TYPES]
        )
        of["manipulated"]["mean change"] = {"value": change, "low": None, "high": None, "n": 2}
    counts = {t: {f"{t}-a": 7, f"{t}-b": 5} for t in TYPES}
    return PaperTables(dataset, counts, found, {"resnet50 (this run)": found[0]}, **changes)


def cells(table: Table) -> dict[tuple[str, str], dict[str, Any]]:
    rows = table.to_plain()["cells"]
    found = {(row["row"], row["column"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def rows(table: Table) -> list[str]:
    return table.frame[table.head].tolist()


def test_table_1_lists_the_classes_with_their_counts() -> None:
    [table] = tables("wardrobe").table(1)
    assert cells(table)["color", "classes (images)"]["text"] == "color-a 7, color-b 5"
    assert len(table.frame.columns) == 2
    [table] = tables("darn").table(1)
    assert "rose_red" in cells(table)["color", "classes in the paper"]["text"]
    alone = PaperTables("darn", {"color": {"red": 3}})
    assert rows(alone.table(1)[0]) == ["color"] and alone.seeds == []


def test_table_2_quotes_the_literature_where_it_is_on_the_same_data_set() -> None:
    own = tables("in_shop")
    [table] = own.table(2)
    assert rows(table)[:2] == ["WTB", "DARN"] and len(rows(table)) == 6
    assert cells(table)["FashionNet", "R@20"]["text"] == "(paper .764)"
    found = cells(table)["FLAM (features of stage 1)", "R@20"]
    assert found["value"] == own.by_seed[0]["instance"]["R@20"]["value"]
    assert found["published"] == 0.984 and found["text"].endswith("(paper .984)")
    notes = " ".join(table.notes)
    assert "40 queries" in notes and "3 more have no match" in notes


def test_table_3_has_every_method_with_t_50_of_each_type() -> None:
    own = tables("darn")
    [table] = own.table(3)
    assert rows(table) == [
        *("AMNet*", "no edit", "Cls-Concat", "Emb-Concat", "FLAM (M)", "FLAM (M, OS, adv)"),
        *("FLAM + own", "FLAM + posteriors", "FLAM+", "FLAM+ + posteriors"),
        *("filter, then similarity", "oracle", "mine"),
    ]
    found = cells(table)
    value = own.by_seed[0]["edits"]["flam_m"]["color"]["T@50"]["value"]
    assert found["FLAM (M)", "color"]["value"] == value
    assert found["FLAM (M)", "color"]["published"] == 0.874
    assert found["FLAM (M, OS, adv)", "all"]["published"] == 0.822
    assert found["no edit", "all"]["published"] is None
    assert found["Cls-Concat", "dim"]["text"] == "1023"
    # rows with posteriors are none of the paper's
    assert found["FLAM + posteriors", "all"]["published"] is None
    assert found["FLAM + posteriors", "dim"]["text"] == "-"


def test_flam_that_departs_from_the_paper_is_not_called_by_the_paper_s_name() -> None:
    other = tables("darn")
    other.by_seed[0]["config"]["manipulator"]["online_sampling"] = False
    assert "FLAM" in rows(other.table(3)[0])


def test_table_4_has_both_tasks_in_the_vectors_of_each_method() -> None:
    own = tables("darn")
    found, metrics = cells(own.table(4)[0]), own.by_seed[0]
    value = metrics["instance_by_method"]["cls_concat"]["R@5"]["value"]
    assert found["Cls-Concat", "R@5"]["value"] == value != metrics["instance"]["R@5"]["value"]
    # the paper's R@k are on another data set than its T@k
    assert found["Cls-Concat", "R@5"]["published"] is None
    assert found["Cls-Concat", "T@100"]["published"] == 0.932
    found = cells(tables("consumer_to_shop").table(4)[0])
    assert found["FLAM (M, OS, adv)", "R@1"]["published"] == 0.095
    assert found["FLAM (M, OS, adv)", "T@1"]["published"] is None


def test_table_5_has_a_row_per_backbone_and_the_change_of_the_accuracy() -> None:
    own = tables("darn")
    left, right = own.table(5)
    found = cells(left)["resnet50 (this run)", "T@20"]
    assert found["value"] == own.by_seed[0]["edits"]["flam"]["all"]["T@20"]["value"]
    assert found["published"] == 0.733
    described = cells(left)["resnet50 (this run)", "what it is"]["text"]
    assert described == "resnet50, 20 epochs from timm, 224 px, 1024 dimensions"
    of = own.by_seed[0]["classification"]
    found = cells(right)["manipulated", "mean change"]
    assert found["value"] == of["manipulated"]["mean change"]["value"]
    assert found["published"] == 0.102 and "[" not in found["text"]
    assert cells(right)["original", "shape"]["published"] == 0.352
    assert cells(right)["original", "mean change"]["text"] == "-"


def test_a_frozen_network_is_not_set_beside_the_paper_s_trained_one() -> None:
    frozen = tables("darn")
    frozen.by_seed[0]["config"]["backbone"]["max_epochs"] = 0
    found = cells(frozen.table(5)[0])["resnet50 (this run)", "T@20"]
    assert found["published"] is None and found["value"] > 0


@pytest.mark.parametrize("dataset", ["wardrobe", "fashion_products", "table", "shop"])
def test_on_another_data_set_no_value_of_the_paper_is_shown(dataset: str) -> None:
    for number in range(1, 6):
        for table in tables(dataset).table(number):
            assert "paper" not in table.markdown().lower()


def test_several_seeds_are_summed_up() -> None:
    three = tables("wardrobe", seeds=3)
    [table] = three.table(3)
    cell = cells(table)["Emb-Concat", "color"]
    values = [m["edits"]["emb_concat"]["color"]["T@50"]["value"] for m in three.by_seed]
    assert cell["value"] == pytest.approx(np.mean(values))
    assert cell["std"] == pytest.approx(np.std(values, ddof=1))
    assert "seeds 0, 1, 2" in " ".join(table.notes)
    changes = [m["classification"]["manipulated"]["mean change"]["value"] for m in three.by_seed]
    left, right = three.table(5)
    assert cells(right)["manipulated", "mean change"]["std"] == pytest.approx(
        np.std(changes, ddof=1)
    )
    # a backbone is trained once
    assert "seeds 0, 1, 2" not in " ".join(left.notes)
    assert cells(left)["resnet50 (this run)", "R@20"]["std"] is None


def test_a_data_set_without_edits_leaves_their_cells_empty_and_says_why(tmp_path: Path) -> None:
    bare = without_edits(made_metrics(dataset="in_shop"))
    own = PaperTables("in_shop", {t: {"a": 1} for t in TYPES}, [bare], {"own": bare})
    [table] = own.table(3)
    assert rows(table) == [] and "no evaluation image carries all labels" in table.markdown()
    found = cells(own.table(4)[0])
    assert found["FLAM (M, OS, adv)", "T@5"]["text"] == "-" != found["Cls-Concat", "R@5"]["text"]
    left, right = own.table(5)
    assert cells(left)["own", "T@20"]["text"] == "-"
    assert {cell["text"] for cell in cells(right).values()} == {"-"}
    for number in range(1, 6):
        write(tmp_path, number, own.table(number), own.seeds)


def test_the_name_of_a_data_set_is_escaped_in_latex(tmp_path: Path) -> None:
    own = PaperTables(r"50%_{x}\y", {"color": {"red_$": 3}})
    write(tmp_path, 1, own.table(1), own.seeds)
    latex = (tmp_path / "table1.tex").read_text()
    assert (
        r"\label{tab:1-0-50-x-y}" in latex and r"Table 1 on 50\%\_\{x\}\textbackslash{}y" in latex
    )
    assert r"red\_\$ 3" in latex


def test_the_note_stands_below_every_part() -> None:
    noted = tables("wardrobe", note="only a trial")
    for number in range(1, 6):
        assert all("only a trial" in table.notes for table in noted.table(number))


def test_all_forms_are_written_and_say_the_same(tmp_path: Path) -> None:
    own = tables("darn", seeds=2)
    write(tmp_path, 5, own.table(5), own.seeds)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table5.json", "table5.md", "table5.tex"]
    content = json.loads((tmp_path / "table5.json").read_text())
    left, right = content["parts"]
    assert content["seeds"] == [0, 1] and left["title"].startswith("Table 5 on darn: FLAM on")
    markdown, latex = ((tmp_path / f"table5.{end}").read_text() for end in ("md", "tex"))
    for cell in [*left["cells"], *right["cells"]]:
        assert f" {cell['text']} " in markdown
    assert "## Table 5 on darn: accuracy" in markdown and latex.count(r"\begin{table}") == 2
    assert r"\label{tab:5-1-darn}" in latex


def test_the_published_values_are_shares_that_grow_with_k() -> None:
    """A slip of the pen in the data file would show here."""
    for part in ("instances", "both_tasks"):
        for dataset in ("in_shop", "consumer_to_shop", "darn"):
            for row in published(part, dataset).values():
                assert list(row.values()) == sorted(row.values())
    types = ("shape", "color", "pattern")
    for dataset, count in (("darn", 7), ("shopping100k", 8)):
        quoted = published("edits", dataset)
        assert len(quoted) == count
        for row in quoted.values():
            kinds = [row[t] for t in types if t in row]
            # all is a mean over the types, weighted by their numbers of edits
            assert not kinds or min(kinds) <= row["all"] <= max(kinds)
        accuracy = published("classification", dataset)
        change = np.mean([accuracy["manipulated"][t] - accuracy["original"][t] for t in types])
        assert accuracy["manipulated"]["mean change"] == pytest.approx(change, abs=0.001)
