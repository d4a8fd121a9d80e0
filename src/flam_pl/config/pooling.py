"""The values of ``backbone.pooling``: global descriptors and combinations of them (CGD)."""

from __future__ import annotations

from itertools import permutations

from flam_pl.errors import ConfigError

BY_LETTER = {"S": "spoc", "M": "mac", "G": "gem"}
"""Letter of the CGD paper (arXiv 1903.10663) -> global descriptor."""

LEVELS = "levels"
"""SPoC of the last feature map, and statistics of early feature maps."""

COMBINATIONS = tuple(
    f"cgd-{''.join(letters)}" for count in (2, 3) for letters in permutations(BY_LETTER, count)
)
POOLINGS = (*BY_LETTER.values(), LEVELS, *COMBINATIONS)


def combined_descriptors(pooling: str, feature_dim: int | None) -> tuple[str, ...]:
    """The descriptors of a CGD pooling, each an equal block of the feature; else ``()``.

    Raises ConfigError for an unknown pooling or a feature_dim that is not divisible.

    >>> combined_descriptors("cgd-SG", 1024)
    ('spoc', 'gem')
    """
    if pooling not in POOLINGS:
        raise ConfigError(f"backbone.pooling is {pooling!r}; expected one of {', '.join(POOLINGS)}")
    if pooling not in COMBINATIONS:
        return ()
    letters = pooling.removeprefix("cgd-")
    if feature_dim is None or feature_dim % len(letters):
        count, where = len(letters), f"backbone.pooling={pooling}"
        expected = f"a multiple of {count} for {where}, e.g. {1024 // count * count}"
        raise ConfigError(f"backbone.feature_dim is {feature_dim}; expected {expected}")
    return tuple(BY_LETTER[letter] for letter in letters)


def require_whitening(pooling: str, whitening: float | None) -> None:
    """Raise ConfigError for "levels" without whitening."""
    if pooling == LEVELS and whitening is None:
        remedy = "which gives its parts one scale; set it to 0.5, say, or take another pooling"
        raise ConfigError(f"backbone.pooling={LEVELS} needs backbone.whitening, {remedy}")
