"""Figures as a function of the edit's strength."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.precision import Precision
from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, Searcher, edit_to, rows_of
from flam_pl.evaluation.sums import QuerySums
from flam_pl.metrics.bootstrap import Draws, Estimate
from flam_pl.retrieval.vectors import SearchVectors

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
K = 10  # results that are looked at
QUERIES = 300  # drawn at random, at most: enough for intervals of a few hundredths


class Moves(QuerySums):
    """Whether the first result has the wanted class; cosine to the unedited query."""

    @torch.inference_mode()
    def __init__(self, data: EvaluationSet, search: Searcher, strength: float) -> None:
        super().__init__(data, ["all"], ("wanted_first", "cosine_to_query"))
        self.vectors, self.own, self.strength = search.retriever.vectors, search.own, strength
        self.heads = self.vectors.heads(data.features)

    def add(self, search: EditedSearch) -> None:
        rows = torch.from_numpy(self.data.queries[search.numbers]).to(self.heads.device)
        edit = edit_to(self.data.schema, search.t, search.c, self.strength)
        features, own = self.data.features[rows], rows_of(self.own, rows)
        edited = self.vectors.queries(features, [edit], own)
        heads = F.normalize(edited[:, : self.heads.shape[1]], dim=-1)
        cosines = (heads * self.heads[rows]).sum(dim=1)
        figures = torch.stack([search.matches[:, 0, search.t], cosines], dim=1)
        self.count("all", search.numbers, figures)


@torch.inference_mode()
def evaluate_strengths(
    editor: Editor | SearchVectors, data: EvaluationSet, draws: Draws
) -> dict[str, dict[str, Estimate]]:
    data = data.with_queries(QUERIES, seed=draws[1])
    search, first, found = Searcher(editor, data, K), Precision(data, [K]), {}
    for strength in STRENGTHS:
        moves, precision = Moves(data, search, strength), Precision(data, [K], like=first)
        results = evaluate_edits(search, data, [K], also=[moves, precision], strength=strength)
        of_all = (of.estimates(draws)["all"] for of in (moves, results, precision))
        found[f"{strength:g}"] = {name: f for figures in of_all for name, f in figures.items()}
    return found
