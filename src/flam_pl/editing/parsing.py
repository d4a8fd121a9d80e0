"""Edits as text: ``color=red``, ``pattern=striped:0.5``, ``color=red+blue``, ``color=@a.jpg``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flam_pl.attributes import AttributeSchema, did_you_mean, same_name
from flam_pl.editing.edits import Edit, EditError, in_order

if TYPE_CHECKING:
    from torch import Tensor

EXAMPLE = "@"  # stands before the name of an example photo


def parse_edits(
    texts: Sequence[str], schema: AttributeSchema, feature_of: Callable[[str], Tensor] | None = None
) -> list[Edit]:
    """Read ``type=class``, a mix ``type=class+class`` or an example ``type=@photo``, each with an
    optional ``:strength``. ``feature_of`` gives the feature ``(D,)`` of an example.

    If a class has the name ``a+b`` or ``a:1``, this text means that class. Raises EditError.

    >>> schema = AttributeSchema({"color": ("red", "blue"), "sleeve": ("short", "long")})
    >>> [str(edit) for edit in parse_edits(["Color=RED+blue", "sleeve=long:0.5"], schema)]
    ['color=red+blue', 'sleeve=long:0.5']
    """
    edits = [_parse(text, schema, feature_of) for text in texts]
    in_order(edits, schema)  # raises for two edits of one type
    return edits


def _parse(text: str, schema: AttributeSchema, feature_of: Callable[[str], Tensor] | None) -> Edit:
    name, _, value = (part.strip() for part in text.partition("="))
    if not (name and value):
        example = f"{schema.types[0]}={schema.of(schema.types[0])[0]}"
        raise EditError(
            f"the edit {text!r} is not type=class, e.g. {example}; a strength may follow: "
            f"{example}:0.5"
        )
    where = f"the edit {text!r}:"
    kind = _find(name, schema.types, f"{where} there is no attribute type", "the types are")
    known, strength = schema.of(kind), 1.0
    if same_name(value, known) is None:
        value, strength = _split_strength(value)
    words = [value]
    if same_name(value, known) is None:
        if value.startswith(EXAMPLE):
            if feature_of is None:
                raise EditError(f"{where} an example photo cannot be given here")
            return Edit(kind, feature_of(value.removeprefix(EXAMPLE)), strength)
        words = [part.strip() for part in value.split("+")]
    classes = [_find(w, known, f"{where} {kind} has no class", "its classes are") for w in words]
    # a class that is named twice counts twice
    mix = {c: float(classes.count(c)) for c in classes}
    return Edit(kind, classes[0] if len(classes) == 1 else mix, strength)


def _find(word: str, known: Sequence[str], fault: str, these_are: str) -> str:
    found = same_name(word, known)
    if found is None:
        near = did_you_mean(word, known)
        raise EditError(f"{fault} {word!r}{near}; {these_are} {', '.join(known)}")
    return found


def _split_strength(value: str) -> tuple[str, float]:
    """``striped:0.5`` -> ``striped``, 0.5; the default strength is 1."""
    head, colon, tail = value.rpartition(":")
    try:
        return (head.strip(), float(tail)) if colon else (value, 1.0)
    except ValueError:
        return value, 1.0
