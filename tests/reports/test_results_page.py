"""The pages of results: which tables and pictures stand there."""

from __future__ import annotations

from flam_pl.reports.measurements import Measurements
from flam_pl.reports.results_page import at_a_glance, joined_page, run_page
from made_metrics import made_metrics, without_edits


def test_the_page_of_a_run_has_every_table_and_each_picture_once() -> None:
    found = Measurements.of([made_metrics(0), made_metrics(1)])
    page = run_page(found, {"precision_and_hits": "hits.png", "candidates": "few.png"})
    titles = [line for line in page.splitlines() if line.startswith("#")]
    assert titles[:2] == ["# Results on shop", "## Edited search, all edits"]
    assert "## Edits of shape" in titles and "## Calibration" in titles
    assert page.count("hits.png") == page.count("few.png") == 1
    assert page.index("## Strength of the edit") < page.index("(hits.png)")
    assert "seeds 0, 1" in page and "two photos left out" in page
    assert "±" in page


def test_the_joined_page_sets_data_sets_side_by_side() -> None:
    own, other = made_metrics(), made_metrics(5, dataset="street")
    del other["edits"]["mine"], other["edits"]["flam_plus"]
    runs = [Measurements.of([own]), Measurements.of([other])]
    page = joined_page(runs, [{}, {"precision_and_hits": "hits.png"}], "- Nothing.")
    glance = page.split("## At a glance")[1].split("##")[0]
    head, _, *lines = glance.strip().splitlines()
    assert [word.strip() for word in head.split("|")[2:-1]] == [
        *("shop T@1", "street T@1", "shop T@10", "street T@10"),
    ]
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines}
    cells = {name: [cell.strip() for cell in row] for name, row in rows.items()}
    assert cells["FLAM+"][1] == cells["FLAM+"][3] == "-"
    value = other["edits"]["flam"]["all"]["T@10"]["value"]
    assert cells["FLAM"][3] == f"{value:.3f}".lstrip("0")
    assert "## shop" in page and "## street" in page and page.count("(hits.png)") == 1
    assert page.index("## street") < page.index("(hits.png)")
    assert "### Edits of shape" not in page and "### Counterfactuals" in page
    assert page.endswith("## What was tried and did not help\n\n- Nothing.\n")
    assert "did not help" not in joined_page(runs, [{}, {}], None)


def test_two_runs_on_one_data_set_have_columns_of_their_own() -> None:
    runs = [Measurements.of([made_metrics(seed)]) for seed in (0, 1)]
    glance = at_a_glance(runs)
    assert list(glance.frame)[1:3] == ["shop (1) T@1", "shop (2) T@1"]


def test_a_data_set_without_edits_still_has_a_page() -> None:
    bare = Measurements.of([without_edits(made_metrics())])
    assert "## Instance search" in run_page(bare, {})
    assert "| FLAM " in joined_page([bare], [{}], None)
