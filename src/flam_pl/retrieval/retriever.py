"""The index of a catalogue: exact inner products with FAISS over what a method stores per photo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.errors import FlamError
from flam_pl.retrieval.vectors import SearchVectors, search_vectors


class GalleryIndex:
    """Stored features, indexed once; plain and edited searches ask the same index."""

    def __init__(self, editor: Editor | SearchVectors, features: Tensor) -> None:
        """Args:
        features: stored features of the gallery, ``(G, D)``.

        Raises:
            FlamError: FAISS is not installed.
        """
        try:
            import faiss
        except ImportError as error:
            raise FlamError(
                'searching needs FAISS: pip install "flam-pl[cpu]" (or "[gpu]"; not both)'
            ) from error
        self.vectors = search_vectors(editor)
        vectors = self.vectors.gallery(features).cpu().numpy()
        self._index: faiss.Index = faiss.IndexFlatIP(vectors.shape[1])
        if getattr(faiss, "get_num_gpus", int)() > 0:
            self._index = faiss.index_cpu_to_all_gpus(self._index)
        self._index.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @torch.inference_mode()
    def search(
        self,
        features: Tensor,
        k: int,
        edits: Sequence[Edit] = (),
        exclude: Sequence[int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest gallery images of each query.

        Args:
            features: stored features of the queries, ``(Q, D)``.
            edits: what should be different, e.g. ``[Edit("color", "red")]``; without any it
                searches for the item itself.
            exclude: of each query its own gallery position, which it is not to find; -1 for none.

        Returns:
            Inner products and gallery positions, ``(Q, n)``, best first; n is k, or all there are.
        """
        queries = self.vectors.queries(features, edits).cpu().numpy().astype(np.float32)
        depth = min(k + (exclude is not None), len(self))
        scores, positions = self._index.search(np.ascontiguousarray(queries), depth)
        if exclude is not None:
            scores, positions = without(np.asarray(exclude), scores, positions)
        return scores[:, :k], positions[:, :k]


def without(
    exclude: np.ndarray, scores: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Results less the excluded position, or less the last one where it is not among them.

    Args:
        exclude: of each query a gallery position, ``(Q,)``.
        scores, positions: ``(Q, n)``.

    Returns:
        Both ``(Q, n - 1)``.
    """
    keep = positions != exclude[:, None]
    keep[keep.all(axis=1), -1] = False
    shape = (len(positions), positions.shape[1] - 1)
    return scores[keep].reshape(shape), positions[keep].reshape(shape)
