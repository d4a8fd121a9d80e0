"""Edited searches sorted by how badly they do."""

from __future__ import annotations

from collections.abc import Sequence

from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.reports.pictures import Example, Search
from flam_pl.retrieval.retriever import Retriever


def worst_first(
    data: EvaluationSet, index: Retriever, examples: Sequence[Example]
) -> list[tuple[int, Example]]:
    """The examples with the ranks of their first hits, from 1, the deepest first.

    Args:
        index: of ``data``, by the method that searches.
        examples: which the gallery can answer, as ``choose_examples`` draws them.

    Raises:
        ValueError: no image of the gallery has the wanted combination.
    """
    searches = [Search.run(example, data, index, len(index)) for example in examples]
    ranked = [(search.hits.index(True) + 1, search.example) for search in searches]
    return sorted(ranked, key=lambda pair: -pair[0])
