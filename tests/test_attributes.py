"""Words and their numbers."""

from __future__ import annotations

import numpy as np
import pytest

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
