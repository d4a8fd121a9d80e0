"""Exact search with FAISS: a flat index of inner products, on the GPUs if FAISS sees any."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flam_pl.errors import FlamError
from flam_pl.galleries.base import result_count


class FaissGallery:
    """The same results as ``ExactGallery``. Scores and ids are on the CPU."""

    def __init__(self, vectors: Tensor) -> None:
        """Raises FlamError if FAISS is not installed."""
        try:
            import faiss
        except ImportError as error:
            raise FlamError(
                'this gallery needs FAISS: pip install "flam-pl[cpu]" (or "[gpu]", not both)'
            ) from error
        self._index: faiss.Index = faiss.IndexFlatIP(vectors.shape[1])
        if getattr(faiss, "get_num_gpus", int)() > 0:
            self._index = faiss.index_cpu_to_all_gpus(self._index)
        self._index.add(as_array(vectors))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(
        self, vectors: Tensor, k: int, exclude: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        count = result_count(len(self), k, exclude)
        if count == 0 or len(vectors) == 0:
            return torch.empty(len(vectors), count), torch.empty(len(vectors), count).long()
        # one more than needed, since the excluded id may be among them
        depth = min(count + (exclude is not None), len(self))
        scores, ids = map(torch.from_numpy, self._index.search(as_array(vectors), depth))
        if exclude is None or depth == count:
            return scores, ids
        keep = ids != exclude.to(ids.device)[:, None]
        keep[keep.all(dim=1), -1] = False
        return scores[keep].view(-1, count), ids[keep].view(-1, count)


def as_array(vectors: Tensor) -> np.ndarray:
    return np.ascontiguousarray(vectors.detach().cpu().numpy(), dtype=np.float32)
