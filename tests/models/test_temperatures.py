"""Temperature scaling against a temperature that is known."""

from __future__ import annotations

import pytest
import torch

from flam_pl.models.temperatures import fit_temperatures


@pytest.mark.parametrize("true", [0.2, 1.0, 5.0])
def test_the_temperature_that_made_the_labels_is_found(true: float) -> None:
    logits = 3 * torch.randn(4000, 4)
    labels = torch.multinomial((logits / true).softmax(dim=1), 1)
    found = torch.tensor(0.7)
    fit_temperatures([logits], [found], labels)
    assert float(found) == pytest.approx(true, rel=0.1)


def test_only_labelled_rows_count_and_a_type_without_labels_keeps_its_temperature() -> None:
    logits = torch.randn(50, 3)
    labels = torch.randint(3, (50, 1))
    mixed = torch.cat([labels, labels], dim=1)
    mixed[::2, 0] = -1
    mixed[:, 1] = -1
    found, other, expected = torch.tensor([0.7, 0.8, 0.9]).unbind()
    fit_temperatures([logits, logits], [found, other], mixed)
    fit_temperatures([logits[1::2]], [expected], labels[1::2])
    assert float(found) == float(expected) != pytest.approx(0.7)
    assert float(other) == pytest.approx(0.8)
