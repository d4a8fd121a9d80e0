"""Tables from invented metrics: which value stands where, and the forms that are written."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from flam_pl.reports.measurements import Measurements
from flam_pl.reports.tables import Table, at_cut_off, short_table, tables_of
from made_metrics import BEST, METHODS, made_metrics, without_edits


def texts(table: Table) -> dict[str, dict[str, str]]:
    """Row -> column -> text."""
    return table.frame.set_index(table.head).to_dict("index")


def by_name(found: Measurements) -> dict[str, Table]:
    return {table.name: table for table in tables_of(found)}


def shown(value: float) -> str:
    return f"{value:.3f} [{value - 0.01:.3f}, {value + 0.01:.3f}]".replace("0.", ".")


def test_every_value_has_its_place() -> None:
    own = made_metrics()
    tables = by_name(Measurements.of([own]))
    edits, flam = own["edits"], own["edits"]["flam"]
    places = {
        ("edits", "FLAM+", "T@20"): edits["flam_plus"]["all"]["T@20"],
        ("edits", "FLAM+ + posteriors", "utility@10"): edits[BEST]["all"]["utility@10"],
        ("edits", "oracle", "kept_of_wanted@10"): edits["oracle"]["all"]["kept_of_wanted@10"],
        ("macro", "FLAM", "T@100"): flam["macro"]["T@100"],
        ("by_type", "FLAM", "color"): flam["color"]["T@10"],
        ("by_type", "FLAM", "all"): flam["all"]["T@10"],
        ("edits_shape", "no edit", "T@1"): edits["no_edit"]["shape"]["T@1"],
        ("change", "FLAM", "CF@1"): own["change"]["flam"]["CF@1"],
        ("ratio", "FLAM", "T@5"): own["ratio"]["flam"]["cls_concat"]["T@5"],
        ("counterfactual", "mine", "CF@50"): own["counterfactual"]["mine"]["CF@50"],
        ("instance", "Cls-Concat", "R@5"): own["instance_by_method"]["cls_concat"]["R@5"],
        ("double_edits", "FLAM+", "T@5"): own["double_edits"]["flam_plus"]["all"]["T@5"],
        ("depth", "FLAM + posteriors, 50", "P@10"): own["depth"]["flam+posteriors"]["50"]["P@10"],
        ("by_strength", "FLAM+, 0.5", "T@10"): own["by_strength"]["flam_plus"]["0.5"]["T@10"],
        ("ndcg", "FLAM", "target"): own["ndcg"]["flam"]["target"]["NDCG@10"],
        ("ndcg", "FLAM", "all"): flam["all"]["NDCG@10"],
        ("preservation", "FLAM", "season"): own["preservation"]["flam"]["season"][
            "kept_of_wanted@10"
        ],
        ("preservation", "FLAM", "all"): flam["all"]["kept_of_wanted@10"],
        ("calibration", "the gallery has the combination", "detection_rate"): own["calibration"][
            "answer"
        ]["calibrated"]["detection_rate"],
    }
    for (name, row, column), of in places.items():
        assert texts(tables[name])[row][column] == shown(of["value"]), (name, row, column)
    events = texts(tables["calibration"])
    raw = own["calibration"]["attribute"]["raw"]["ECE"]["value"]
    assert events["a result has the wanted attribute"]["ECE, raw"] == f"{raw:.3f}".lstrip("0")
    assert events["the gallery has the combination"]["AUROC"] == "-"
    assert "observed, raw" not in tables["calibration"].frame
    assert list(tables) == [
        *("edits", "macro", "by_type", "edits_shape", "edits_color", "change", "ratio"),
        *("counterfactual", "instance", "double_edits", "by_strength", "depth", "ndcg"),
        *("preservation", "calibration"),
    ]


def test_hit_rates_stand_at_every_cut_off_and_other_measures_at_10() -> None:
    tables = by_name(Measurements.of([made_metrics(ks=(1, 10, 50))]))
    others = ["P@10", "as_it_was@10", "utility@10"]
    assert list(tables["edits_color"].frame)[1:] == ["T@1", "T@10", "T@50", *others]
    assert list(tables["edits"].frame)[-2:] == ["kept_of_wanted@10", "NDCG@10"]


def test_measures_stand_at_the_last_cut_off_where_there_is_no_10() -> None:
    own = made_metrics(ks=(1, 3))
    found = Measurements.of([own])
    assert at_cut_off(found, "NDCG") == "NDCG@3"
    tables = by_name(found)
    assert list(tables["edits_color"].frame)[1:] == [
        "T@1",
        "T@3",
        "P@3",
        "as_it_was@3",
        "utility@3",
    ]
    value = own["edits"]["flam"]["color"]["T@3"]["value"]
    assert texts(tables["by_type"])["FLAM"]["color"] == shown(value)


def test_the_short_table_has_the_methods_without_posteriors_and_the_one_that_searches() -> None:
    own = made_metrics()
    table = short_table(Measurements.of([own]))
    rows = texts(table)
    assert len(rows) == sum("+" not in name for name in METHODS) + 1
    assert "FLAM+ + posteriors" in rows and "FLAM + own" not in rows
    assert list(table.frame)[1:] == ["T@1", "T@10", "P@10", "R@1", "CF@1"]
    value = own["edits"]["flam"]["all"]["P@10"]["value"]
    assert rows["FLAM"]["P@10"] == f"{value:.3f}".lstrip("0")  # without its interval
    assert rows["oracle"]["R@1"] == "-"
    assert "FLAM+ + posteriors" in table.notes[0]


def test_label_shares_have_a_table_per_cut_off() -> None:
    found = Measurements.of([made_metrics(0), made_metrics(1)])
    rows = found.table[(found.table["part"] == "edits") & (found.table["group"] == "all")]
    rows = rows[rows["measure"].isin(["T@10", "T@50"]) & (rows["method"] == "flam")]
    labels = pd.concat([rows.assign(part="labels", group=g) for g in ("1 % (30)", "100 % (3,000)")])
    tables = by_name(found.plus(labels))
    assert texts(tables["labels_T@50"]) == {
        "FLAM": dict.fromkeys(("1 % (30)", "100 % (3,000)"), texts(tables["edits"])["FLAM"]["T@50"])
    }
    assert "number of labels" in tables["labels_T@10"].notes[0]


def test_a_data_set_without_edits_has_the_instance_search_alone() -> None:
    found = Measurements.of([without_edits(made_metrics())])
    assert list(by_name(found)) == ["instance"]
    assert list(short_table(found).frame)[1:] == ["R@1"]


AWKWARD = Table(
    "4-0-shop",
    "T@50 & more",
    pd.DataFrame(
        [
            {"row": "x_y", "column": "a_b", "text": "{1}", "value": 0.5},
            {"row": "x_y", "column": "50 %", "text": "$2", "value": None},
            {"row": r"z\x", "column": "50 %", "text": ".5"},
        ]
    ),
    ("100 % of #3, c_1 ~ 2 ^ 3.",),
)


def test_latex_is_balanced_and_escaped() -> None:
    text = AWKWARD.latex()
    opened = re.findall(r"\\begin\{(\w+)\}", text)
    assert opened == ["table", "tabular"]
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    unescaped = re.sub(r"\\[{}]", "", text)
    assert unescaped.count("{") == unescaped.count("}")
    assert not re.search(r"(?<!\\)[%#$]", text)
    assert r"z\textbackslash{}x" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [2, 2, 2]
    outside = re.sub(r"\\label\{[^}]*\}", "", text)
    assert "_" not in outside.replace(r"\_", "") and r"100 \% of \#3" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1


def test_markdown_has_title_picture_notes_and_rows_in_their_order() -> None:
    lines = AWKWARD.markdown(3, "a.png").splitlines()
    assert lines[0] == "### T@50 & more" and lines[2] == "![T@50 & more](a.png)"
    assert lines[4] == "- 100 % of #3, c_1 ~ 2 ^ 3."
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[6:]]
    assert cells[0] == ["method", "a_b", "50 %"]
    assert cells[2:] == [["x_y", "{1}", "$2"], [r"z\x", "-", ".5"]]


def test_a_table_without_cells_shows_its_notes() -> None:
    empty = Table("e", "empty", pd.DataFrame(columns=["row", "column", "text"]), ("nothing",))
    assert empty.markdown() == "## empty\n\n- nothing"
    assert empty.latex() and empty.to_plain()["cells"] == []


def test_json_has_all_that_is_known_of_a_cell() -> None:
    plain = AWKWARD.to_plain()
    assert plain["cells"][0] == {"row": "x_y", "column": "a_b", "text": "{1}", "value": 0.5}
    assert plain["cells"][1]["value"] is None and plain["notes"] == list(AWKWARD.notes)


def test_two_cells_in_one_place_are_refused() -> None:
    cells = pd.DataFrame([{"row": "a", "column": "b", "text": "c"}] * 2)
    with pytest.raises(ValueError, match="duplicate"):
        Table("t", "t", cells).frame  # noqa: B018
