"""Words and their numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flam_pl.attributes import UNLABELLED, AttributeSchema, SchemaError

SCHEMA = AttributeSchema({"shape": ("shirt", "jeans"), "color": ("red", "green", "blue")})


def test_index_and_name_belong_together() -> None:
    for name in SCHEMA.types:
        for position, word in enumerate(SCHEMA.of(name)):
            assert SCHEMA.index(name, word) == position
    assert SCHEMA.types == ("shape", "color") and SCHEMA.sizes == (2, 3)


def test_unknown_words_are_refused_with_the_known_ones() -> None:
    with pytest.raises(SchemaError, match="no class 'pink'; its classes are red, green, blue"):
        SCHEMA.index("color", "pink")
    with pytest.raises(SchemaError, match="no attribute type 'sleeve'; the types are shape, color"):
        SCHEMA.of("sleeve")


@pytest.mark.parametrize("classes", [(), ("red",), ("red", "red", "blue")])
def test_a_type_with_fewer_than_two_classes_is_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(SchemaError, match="color"):
        AttributeSchema({"color": classes})


def test_encode_knows_its_words_and_leaves_the_rest_unlabelled() -> None:
    labels = ["blue", None, "pink", "red", float("nan"), "", 3]
    codes = SCHEMA.encode("color", labels)
    assert codes.tolist() == [2, -1, -1, 0, -1, -1, -1] and codes.dtype == np.int64
    assert UNLABELLED == -1


@given(st.lists(st.integers(2, 5), min_size=1, max_size=4))
def test_combinations_number_every_combination_once(sizes: list[int]) -> None:
    schema = AttributeSchema(
        {f"t{t}": tuple(f"c{c}" for c in range(size)) for t, size in enumerate(sizes)}
    )
    labels = np.array(list(itertools.product(*[range(size) for size in sizes])))
    assert schema.combinations(labels).tolist() == list(range(len(labels)))


def test_a_combination_with_an_unknown_label_is_none() -> None:
    labels = np.array([[1, 2], [-1, 2], [1, -1], [-1, -1]])
    assert SCHEMA.combinations(labels).tolist() == [5, -1, -1, -1]


@given(st.lists(st.tuples(*(st.integers(-1, n - 1) for n in SCHEMA.sizes)), min_size=1))
def test_combinations_are_equal_exactly_where_all_labels_are(rows: list[tuple[int, int]]) -> None:
    codes = SCHEMA.combinations(np.array(rows))
    for row, code in zip(rows, codes, strict=True):
        assert (code == -1) == (-1 in row)
        for other, code_of_other in zip(rows, codes, strict=True):
            if -1 not in row and -1 not in other:
                assert (code == code_of_other) == (row == other)


def test_a_schema_survives_json() -> None:
    assert AttributeSchema.from_dict(SCHEMA.to_dict()) == SCHEMA
    assert SCHEMA.to_dict() == {"shape": ["shirt", "jeans"], "color": ["red", "green", "blue"]}


def test_schemas_that_differ_are_refused_with_the_type() -> None:
    SCHEMA.require_same(AttributeSchema.from_dict(SCHEMA.to_dict()), "the same")
    longer = {**SCHEMA.to_dict(), "color": ["red", "green", "blue", "black"]}
    with pytest.raises(SchemaError, match="the gallery differs in the classes of 'color'.*black"):
        SCHEMA.require_same(AttributeSchema.from_dict(longer), "the gallery")
    turned = dict(reversed(SCHEMA.to_dict().items()))
    with pytest.raises(SchemaError, match="the gallery has the types"):
        SCHEMA.require_same(AttributeSchema.from_dict(turned), "the gallery")
