"""The search of evaluation, pictures, notebooks and the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.galleries.base import Gallery
from flam_pl.galleries.exact import ExactGallery
from flam_pl.retrieval.vectors import SearchVectors


class Retriever:
    """Searches a gallery with stored features and edits.

    >>> from flam_pl.editing.editor import NoEdit
    >>> retriever = Retriever.of(NoEdit(), torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
    >>> retriever.search(torch.tensor([[1.0, 0.0]]), edits=[], k=2)
    (tensor([[1.0000, 0.6000]]), tensor([[0, 1]]))
    """

    def __init__(self, vectors: SearchVectors, gallery: Gallery) -> None:
        self.vectors, self.gallery = vectors, gallery

    @classmethod
    @torch.inference_mode()
    def of(
        cls,
        editor: Editor | SearchVectors,
        features: Tensor,
        gallery: Callable[[Tensor], Gallery] = ExactGallery,
    ) -> Retriever:
        """A gallery of stored features ``(G, D)``; an editor's score is the cosine."""
        vectors = editor if isinstance(editor, SearchVectors) else SearchVectors(editor)
        return cls(vectors, gallery(vectors.gallery(features)))

    @torch.inference_mode()
    def search(
        self,
        features: Tensor,
        edits: Sequence[Edit],
        k: int,
        exclude: Sequence[int] | Tensor | None = None,
        own: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Scores and ids of each query's k best photos, ``(Q, k)``. Queries are stored features
        ``(Q, D)``. ``exclude (Q,)``: the id that a query must not find, -1 for none. ``own`` as in
        ``SearchVectors.queries``."""
        ids = None if exclude is None else torch.as_tensor(exclude)
        return self.gallery.search(self.vectors.queries(features, edits, own), k, ids)
