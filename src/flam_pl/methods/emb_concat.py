"""Emb-Concat, a baseline of the paper: wide embeddings of every attribute type, concatenated."""

from __future__ import annotations

from flam_pl.methods.concat_training import train_wide_embedders
from flam_pl.methods.concatenation import open_wide_embedders
from flam_pl.methods.registry import Method

METHODS = [
    Method(
        "emb_concat",
        "Emb-Concat",
        "#17becf",
        11,
        open_wide_embedders,
        train_wide_embedders,
        own_vectors=True,
        in_table_3=True,
    )
]
