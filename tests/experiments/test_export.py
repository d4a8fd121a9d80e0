"""The bundle of the tiny run finds what the run itself finds, and what cannot be exported."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch

from flam_pl import open_run
from flam_pl.attributes import fold_spelling
from flam_pl.errors import FlamError
from flam_pl.experiments.exporting.export import export, write
from flam_pl.experiments.search import OpenRun
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.concatenation import ConcatEditor
from flam_pl.methods.generator import Flam
from flam_pl.methods.slerp import Slerp
from flam_pl.retrieval.posteriors import KINDS
from flam_pl.retrieval.vectors import SearchVectors
from flam_pl.serving.searcher import Searcher
from flam_pl.serving.words import default_synonyms
from searched_bundle import check_same_results, name_of, searcher_of, with_best

pytestmark = pytest.mark.slow  # test_flam_plus_run.py exports in every run of the tests

KINDS_OF = {Flam: "generator", Arithmetic: "arithmetic", Slerp: "slerp"}


@pytest.fixture(scope="module")
def run(trained: Path) -> OpenRun:
    return open_run(trained / "runs" / "wardrobe")


def test_the_command_s_bundle_searches_as_the_run(
    run: OpenRun, trained: Path, tmp_path: Path
) -> None:
    bundle = export([f"runs_dir={trained}/runs"], str(tmp_path / "bundle"))
    assert bundle.folder == tmp_path / "bundle" and bundle.name == "wardrobe"
    assert bundle.schema == run.catalog.schema and bundle.contents.row == run.vectors.name
    assert not (trained / "runs" / "wardrobe" / "bundle").exists()
    searcher = searcher_of(bundle, run, tmp_path)
    check_same_results(searcher, run)
    # a photo that is no photo of the catalog is read the same
    path = run.path(name_of(run, 5))
    feature = run.run.data.features.rows(run.rows[[5]])[0]
    found = searcher.features([path.read_bytes()])[0]
    assert np.corrcoef(found, feature)[0, 1] > 0.999
    with torch.inference_mode():
        posteriors = run.posteriors.read(feature[None])
    for t, (name, guess) in enumerate(searcher.describe(feature.numpy()).items()):
        assert guess.name == bundle.schema.of(name)[int(posteriors[t][0].argmax())]
        assert guess.probability == pytest.approx(float(posteriors[t][0].max()), abs=1e-3)


def test_the_calibration_is_that_of_the_run(run: OpenRun, trained: Path, tmp_path: Path) -> None:
    """The best row is scored by the posteriors that the run's calibration is of."""
    bundle = write(run.run, run.trained, tmp_path / "bundle")
    calibration, found = run.trained.calibration, bundle.contents.calibration
    assert calibration is not None and found is not None
    for kind in KINDS:
        assert found[kind] == pytest.approx(astuple(getattr(calibration, kind)), rel=1e-4)
    assert found["threshold"] == pytest.approx(calibration.threshold, rel=1e-4)


def test_a_row_of_every_kind_of_editor_is_exported(run: OpenRun, tmp_path: Path) -> None:
    kinds: set[str] = set()
    rows = [row for row in run.trained.rows() if not isinstance(row.editor, ConcatEditor)]
    # one of each: with and without posteriors, hardened ones, a trained ablation
    taken: dict[tuple[str, bool, bool], SearchVectors] = {}
    for row in rows:
        kind = KINDS_OF.get(type(row.editor), "none")
        taken[kind, row.posteriors is None, row.editor.name == "flam"] = row
    for number, ((kind, plain, _), row) in enumerate(taken.items()):
        folder = tmp_path / str(number)
        of_row = with_best(run, row.name)
        bundle = write(run.run, of_row.trained, folder / "bundle")
        assert bundle.contents.editor["kind"] == kind and bundle.contents.row == row.name
        weights = bundle.contents.weights
        assert weights == vars(row.weights) and plain == (not any(weights.values()))
        check_same_results(searcher_of(bundle, of_row, folder), of_row)
        kinds.add(kind)
    assert kinds == {"none", "generator", "arithmetic", "slerp"} and len(taken) >= 6


def test_a_second_vector_per_photo_cannot_be_exported(run: OpenRun, tmp_path: Path) -> None:
    rows = [row for row in run.trained.rows() if isinstance(row.editor, ConcatEditor)]
    assert len(rows) >= 2
    for row in rows:
        with pytest.raises(FlamError, match="stores a second vector per photo"):
            write(run.run, with_best(run, row.name).trained, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_synonyms_are_those_of_the_schema(run: OpenRun, tmp_path: Path) -> None:
    bundle = write(run.run, run.trained, tmp_path / "bundle")
    classes = {fold_spelling(c): c for of in bundle.schema.classes.values() for c in of}
    groups = [[fold_spelling(word) for word in group] for group in default_synonyms()]
    assert len(bundle.synonyms) > 10
    for word, name in bundle.synonyms.items():
        assert name in classes.values() and fold_spelling(word) not in classes
        assert any({fold_spelling(word), fold_spelling(name)} <= {*group} for group in groups)
    searcher = Searcher.load(bundle.folder, device="cpu", runtime="torch")
    assert [*map(str, searcher.parse("crimson, with polka dots"))] == ["color=red", "pattern=dots"]


def test_the_model_card_names_the_classes_and_the_measured_figures(
    run: OpenRun, trained: Path, tmp_path: Path
) -> None:
    bundle = write(run.run, run.trained, tmp_path / "bundle")
    card = (bundle.folder / "README.md").read_text()
    for name in bundle.schema.types:
        assert f"- {name}: {', '.join(bundle.schema.of(name))}" in card
    assert "T@10" in bundle.figures
    for name in bundle.figures:
        value = bundle.figures[name]["value"]
        assert value is None or f"{value:.3f}" in card


def test_figures_of_other_networks_are_not_in_the_bundle(run: OpenRun, tmp_path: Path) -> None:
    """A report that was measured before another choice says nothing of this bundle."""
    assert run.vectors.name != "no_edit"
    bundle = write(run.run, with_best(run, "no_edit").trained, tmp_path / "bundle")
    assert bundle.figures == {}
    assert "Not evaluated." in (bundle.folder / "README.md").read_text()


def test_a_run_without_a_selection_of_its_methods_is_not_exported(
    trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(FlamError, match="scoring.json.*written for other methods.*train-flam"):
        export([f"runs_dir={trained}/runs", "methods=[]"], str(tmp_path / "bundle"))
    assert not (tmp_path / "bundle").exists()


def test_an_unfinished_run_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(FlamError):
        export([f"runs_dir={tmp_path}"], str(tmp_path / "bundle"))
    assert not (tmp_path / "bundle").exists()
