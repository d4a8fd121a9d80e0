"""T@k where the score sorts only some candidates: the photos nearest to the edited feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.edits import Edit
from flam_pl.evaluation.hits import EditResults, Hits, Measure
from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, edit_to, rows_of
from flam_pl.galleries.exact import queries_at_once, top_k
from flam_pl.retrieval.vectors import SearchVectors


class CandidateSearcher:
    """Takes the photos nearest to the edited feature as candidates; sorts them by the score."""

    @torch.inference_mode()
    def __init__(self, vectors: SearchVectors, data: EvaluationSet, depth: int) -> None:
        self.vectors, self.data, self.depth = vectors, data, depth
        self.heads, self.own = vectors.heads(data.features), vectors.read(data.features)
        self.gallery = vectors.gallery(data.features, self.own)

    @torch.inference_mode()
    def __call__(
        self, numbers: np.ndarray, edits: Sequence[Edit], counts: Sequence[int]
    ) -> dict[int, Tensor]:
        """Number of candidates -> positions of the results, ``(E, depth)``."""
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.gallery.device)
        features, own = self.data.features[positions], rows_of(self.own, positions)
        parts = self.vectors.parts(features, edits, own)
        _, candidates = top_k(parts.edited, self.heads, max(counts), exclude=positions)
        queries = self.vectors.weighted(parts)
        chunk = queries_at_once(len(self.gallery))
        chunks = zip(torch.split(queries, chunk), torch.split(candidates, chunk), strict=True)
        scores = torch.cat([(q @ self.gallery.T).gather(1, of) for q, of in chunks])
        best = {n: scores[:, :n].topk(min(self.depth, n, scores.shape[1])).indices for n in counts}
        return {n: candidates.gather(1, positions) for n, positions in best.items()}


@torch.inference_mode()
def evaluate_candidates(
    vectors: SearchVectors,
    data: EvaluationSet,
    ks: Sequence[int],
    also: Mapping[int, Sequence[Measure]],
) -> dict[int, EditResults]:
    """``evaluate_edits`` for each number of candidates in ``also``."""
    search, hits = CandidateSearcher(vectors, data, max(ks)), {n: Hits(data, ks) for n in also}
    for (t, c), edited in data.possible.items():
        for n, found in search(edited[0], [edit_to(data.schema, t, c)], list(also)).items():
            result = EditedSearch(data, t, c, *edited, found)
            for measure in (hits[n], *also[n]):
                measure.add(result)
    return {n: of.results() for n, of in hits.items()}
