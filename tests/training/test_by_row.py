"""Values by row number: a duplicate counts once, within a rank and across ranks."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.training.backbone_module import ByRow


@settings(max_examples=20)
@given(
    batches=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=6)
)
def test_a_row_has_its_value_however_often_and_wherever_it_came(batches: list[list[int]]) -> None:
    values = torch.arange(1.0, 22.0).view(7, 3)
    ranks = ByRow(7, 3), ByRow(7, 3)
    for number, rows in enumerate(batches):
        ranks[number % 2].update(torch.tensor(rows), values[rows])
    first, second = ranks
    first.update(torch.tensor([0]), values[:1])  # so that both have a part
    # what torchmetrics does across ranks: states marked "sum" are added
    first.total += second.total
    first.times += second.times
    seen = {row for rows in batches for row in rows} | {0}
    expected = torch.stack([values[r] if r in seen else torch.zeros(3) for r in range(7)])
    torch.testing.assert_close(first.compute(), expected)


def test_torchmetrics_is_told_to_sum_both_states_over_ranks() -> None:
    reductions = ByRow(2, 2)._reductions
    assert set(reductions) == {"total", "times"}
    ranks = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    for reduce in reductions.values():
        assert reduce(ranks).tolist() == [4.0, 7.0]


def test_reset_forgets_and_half_precision_is_taken() -> None:
    gathered = ByRow(2, 2)
    gathered.update(torch.tensor([1, 1]), torch.ones(2, 2, dtype=torch.float16))
    assert gathered.compute().tolist() == [[0, 0], [1, 1]]
    gathered.reset()
    gathered.update(torch.tensor([0]), torch.full((1, 2), 5.0))
    assert gathered.compute().tolist() == [[5, 5], [0, 0]]
