"""Global descriptors against slow loops, their limits, and the combination of several."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flam_pl.config.pooling import COMBINATIONS, combined_descriptors
from flam_pl.errors import ConfigError
from flam_pl.models.backbone import as_maps
from flam_pl.models.pooling import CGD, DESCRIPTORS, MAC, GeM, SPoC

EPS = 1e-6


def slow_pooling(maps: torch.Tensor, name: str) -> torch.Tensor:
    """One activation after the other, in Python's own floats."""
    out = torch.zeros(maps.shape[:2])
    for b in range(maps.shape[0]):
        for c in range(maps.shape[1]):
            values = [float(v) for row in maps[b, c] for v in row]
            if name == "spoc":
                out[b, c] = sum(values) / len(values)
            elif name == "mac":
                out[b, c] = max(values)
            else:
                cubes = sum(max(v, EPS) ** 3 for v in values) / len(values)
                out[b, c] = cubes ** (1 / 3)
    return out


@pytest.mark.parametrize("name", DESCRIPTORS)
@pytest.mark.parametrize("rectified", [True, False])
def test_a_descriptor_is_what_a_loop_over_the_places_gives(name: str, rectified: bool) -> None:
    maps = torch.randn(3, 5, 4, 2)
    maps = maps.relu() if rectified else maps
    expected = slow_pooling(maps, name)
    torch.testing.assert_close(DESCRIPTORS[name]()(maps), expected, atol=1e-6, rtol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_transformer_s_tokens_are_pooled_like_the_map_they_came_from(name: str) -> None:
    maps = torch.randn(2, 5, 3, 4)
    tokens = as_maps(maps.flatten(2).transpose(1, 2), 5)
    pooling = DESCRIPTORS[name]()
    torch.testing.assert_close(pooling(tokens), pooling(maps))


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=12), st.floats(1, 200))
def test_gem_lies_between_spoc_and_mac_and_tends_to_them(values: list[float], p: float) -> None:
    """MAC >= GeM >= MAC / N^(1/p), a bound that closes as p grows: also where x^p overflows."""
    maps = torch.tensor(values).view(1, 1, -1, 1)
    with torch.no_grad():
        mean, peak, gem = (float(pooling(maps)) for pooling in (SPoC(), MAC(), GeM(p)))
    slack = 1 + 1e-4
    assert mean / slack <= gem <= peak * slack
    assert gem >= peak * len(values) ** (-1 / p) / slack
    torch.testing.assert_close(GeM(1.0)(maps), SPoC()(maps), atol=0, rtol=1e-5)


def test_the_gradient_of_gem_reaches_the_maps_and_p() -> None:
    """By the formulas: df/dx = f^(1-p) x^(p-1) / N; df/dp = f/p (sum w log x - log f)."""
    maps = (torch.rand(1, 1, 2, 3) + 0.1).requires_grad_()
    pooling = GeM()
    pooling(maps).sum().backward()
    values = [float(v) for v in maps.detach().flatten()]
    f = (sum(v**3 for v in values) / 6) ** (1 / 3)
    to_maps = [f**-2 * v**2 / 6 for v in values]
    logs = sum(v**3 * math.log(v) for v in values) / sum(v**3 for v in values)
    to_p = f / 3 * (logs - math.log(f))
    assert maps.grad is not None and pooling.p.grad is not None
    torch.testing.assert_close(maps.grad.flatten(), torch.tensor(to_maps), atol=1e-6, rtol=1e-4)
    assert float(pooling.p.grad) == pytest.approx(to_p, rel=1e-3)
    assert abs(to_p) > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gem_of_half_precision_maps_is_rounded_once(dtype: torch.dtype) -> None:
    """60^3 is beyond float16, and a power in bfloat16 has two digits."""
    maps = (torch.rand(2, 3, 4, 4) * 60).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        pooled = GeM()(maps)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled, GeM()(maps.float()).to(dtype), atol=0, rtol=1e-7)


@pytest.mark.parametrize("pooling", COMBINATIONS)
def test_every_branch_of_a_cgd_is_an_equal_share_of_a_unit_vector(pooling: str) -> None:
    names = combined_descriptors(pooling, 12)
    net = CGD(names, width=5, dimension=12)
    maps = torch.rand(4, 5, 3, 3)
    combination, first = net(maps)
    torch.testing.assert_close(combination.norm(dim=1), torch.ones(4))
    branches = combination.unflatten(1, (len(names), -1))
    torch.testing.assert_close(
        branches.norm(dim=2), torch.full((4, len(names)), len(names) ** -0.5)
    )
    for number, name in enumerate(names):
        assert name[0].upper() == pooling[4 + number]
        reduced = slow_pooling(maps, name) @ net.layers[number].weight.T
        cosine = torch.cosine_similarity(branches[:, number], reduced, dim=1)
        torch.testing.assert_close(cosine, torch.ones(4))
    torch.testing.assert_close(first, slow_pooling(maps, names[0]), atol=1e-6, rtol=1e-5)


def test_gradients_of_a_cgd_reach_every_branch() -> None:
    net = CGD(("spoc", "mac", "gem"), width=5, dimension=6)
    (net(torch.rand(4, 5, 3, 3))[0] * torch.randn(4, 6)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert "descriptors.2.p" in dict(net.named_parameters())


def test_maps_that_are_zero_give_a_finite_feature_and_gradient() -> None:
    """An image may leave every activation at zero."""
    net = CGD(("spoc", "mac", "gem"), width=5, dimension=6)
    maps = torch.zeros(2, 5, 3, 3, requires_grad=True)
    combination, _ = net(maps)
    combination.sum().backward()
    assert maps.grad is not None and torch.isfinite(maps.grad).all()
    assert torch.isfinite(combination).all()


def test_plain_poolings_combine_nothing() -> None:
    assert combined_descriptors("gem", None) == ()
    assert combined_descriptors("cgd-GSM", 6) == ("gem", "spoc", "mac")


@pytest.mark.parametrize("pooling", ["", "avg", "cgd", "cgd-", "cgd-S", "cgd-SS", "cgd-SX", "SG"])
def test_an_unknown_pooling_is_refused_with_the_known_ones(pooling: str) -> None:
    with pytest.raises(ConfigError, match=r"backbone\.pooling is .*spoc, mac, gem, levels, cgd-SM"):
        combined_descriptors(pooling, 12)


@pytest.mark.parametrize(
    ("feature_dim", "pooling", "example"), [(None, "cgd-SG", 1024), (1024, "cgd-SMG", 1023)]
)
def test_a_feature_that_has_no_equal_blocks_is_refused(
    feature_dim: int | None, pooling: str, example: int
) -> None:
    with pytest.raises(ConfigError, match=rf"backbone\.feature_dim is .*{pooling}.*{example}"):
        combined_descriptors(pooling, feature_dim)
