"""Which cut-offs are measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flam_pl.experiments.compute_metrics import cut_offs


@given(
    ks=st.lists(st.integers(1, 500), unique=True, min_size=1, max_size=6),
    gallery=st.integers(0, 1000),
)
def test_cut_offs_are_those_up_to_half_of_the_gallery_and_at_least_one(
    ks: list[int], gallery: int
) -> None:
    few = [k for k in ks if k <= gallery - k]
    assert cut_offs(ks, gallery) == (few if few else [sorted(ks)[0]])
