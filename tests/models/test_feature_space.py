"""The feature space and its inverse against scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from flam_pl.errors import FlamError
from flam_pl.models.feature_space import FeatureSpace


def correlated(rows: int = 300, dimension: int = 10) -> torch.Tensor:
    """Features with directions of clearly different spread, off the origin."""
    spread = torch.logspace(0.5, -1.5, dimension)
    mixing = torch.linalg.qr(torch.randn(dimension, dimension))[0]
    return torch.randn(rows, dimension) * spread @ mixing + 3 * torch.randn(dimension)


@pytest.mark.parametrize("dimension", [None, 10, 25])
def test_the_inverse_gives_the_features_back_in_full_dimension(dimension: int | None) -> None:
    x = correlated()
    space = FeatureSpace(10, dimension)
    space.fit(x)
    assert space.dimension == 10
    z = space(x)
    assert (z - x).abs().max() > 1  # z is not x
    torch.testing.assert_close(space.inverse(z), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dimension", [None, 4])
def test_fitted_features_are_centred_with_root_mean_square_one(dimension: int | None) -> None:
    space = FeatureSpace(10, dimension)
    x = correlated()
    space.fit(x)
    z = space(x)
    assert z.shape == (300, dimension or 10)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(z.shape[1]), atol=1e-4, rtol=0)
    assert z.pow(2).mean().sqrt().item() == pytest.approx(1, abs=1e-4)


def test_cosines_about_the_mean_are_the_same_in_full_dimension() -> None:
    x = correlated()
    space = FeatureSpace(10)
    space.fit(x)
    before = torch.nn.functional.cosine_similarity(x[:50] - x.mean(0), x[50:100] - x.mean(0))
    after = torch.nn.functional.cosine_similarity(space(x[:50]), space(x[50:100]))
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_a_reduced_space_reconstructs_features_as_pca_does() -> None:
    x = correlated()
    space = FeatureSpace(10, 4)
    space.fit(x)
    pca = PCA(4, svd_solver="full").fit(x.numpy())
    expected = pca.inverse_transform(pca.transform(x.numpy()))
    assert np.abs(expected - x.numpy()).max() > 0.1  # something was cut off
    np.testing.assert_allclose(space.inverse(space(x)).numpy(), expected, atol=2e-3)


def test_the_directions_stand_in_the_order_of_their_spread() -> None:
    x = correlated()
    space = FeatureSpace(10, 4)
    space.fit(x)
    spread = space(x).var(dim=0)
    expected = PCA(4, svd_solver="full").fit(x.numpy()).explained_variance_
    np.testing.assert_allclose((spread / spread[0]).numpy(), expected / expected[0], rtol=1e-3)
    assert expected[0] > 2 * expected[3]


def test_a_second_projection_changes_nothing() -> None:
    space = FeatureSpace(10, 3)
    space.fit(correlated())
    z = torch.randn(5, 3)
    torch.testing.assert_close(space(space.inverse(z)), z, atol=1e-4, rtol=1e-4)


def test_fewer_features_than_directions_are_refused() -> None:
    with pytest.raises(FlamError, match=r"working_dim is 8.*only 5"):
        FeatureSpace(10, 8).fit(correlated(rows=5))


def test_constant_features_do_not_divide_by_zero() -> None:
    space = FeatureSpace(4)
    space.fit(torch.ones(6, 4))
    assert torch.isfinite(space(torch.ones(6, 4))).all()


def test_the_state_dict_holds_the_whole_space() -> None:
    x = correlated()
    space, other = FeatureSpace(10, 4), FeatureSpace(10, 4)
    space.fit(x)
    assert not torch.allclose(other(x), space(x), atol=0.1)
    other.load_state_dict(space.state_dict())
    assert torch.equal(other(x), space(x))


@pytest.mark.parametrize("dimension", [None, 4])
def test_autocast_does_not_reduce_the_precision(dimension: int | None) -> None:
    x = correlated()
    space = FeatureSpace(10, dimension)
    space.fit(x)
    z, back = space(x), space.inverse(space(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ x.T).dtype == torch.bfloat16  # else the test would show nothing
        assert torch.equal(space(x), z) and torch.equal(space.inverse(z), back)
