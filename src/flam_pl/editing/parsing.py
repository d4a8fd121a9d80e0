"""Edits as they are typed: ``color=red``, ``pattern=striped:0.5``, ``color=red+blue``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from torch import Tensor

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.edits import Edit, EditError, in_order

EXAMPLE = "@"
"""Before the name of a photo whose attribute is wanted: ``color=@other.jpg``."""


def parse_edits(
    texts: Sequence[str],
    schema: AttributeSchema,
    feature_of: Callable[[str], Tensor] | None = None,
) -> list[Edit]:
    """``type=class``, ``type=class+class`` for an even mix, ``type=@photo`` for an example; each
    with ``:strength`` behind it where that is not 1. Capitals may be left out where that leaves no
    doubt.

    A class that is itself called ``a+b`` or ``a:1`` is read as that class.

    Args:
        feature_of: the stored feature ``(D,)`` of a photo that is named; None: examples are
            refused.

    Raises:
        EditError: naming the edit, what is known, and what may have been meant.
    """
    edits = [_parse(text, schema, feature_of) for text in texts]
    in_order(edits, schema)  # refuses two for one type
    return edits


def _parse(text: str, schema: AttributeSchema, feature_of: Callable[[str], Tensor] | None) -> Edit:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise EditError(
            f"the edit {text!r} is not type=class, e.g. {schema.types[0]}="
            f"{schema.of(schema.types[0])[0]}; a strength may follow: {schema.types[0]}="
            f"{schema.of(schema.types[0])[0]}:0.5"
        )
    named = _known(name, schema.types)
    if named is None:
        raise EditError(
            f"the edit {text!r}: there is no attribute type {name!r}{_meant(name, schema.types)}; "
            f"the types are {', '.join(schema.types)}"
        )
    known = schema.of(named)
    strength = 1.0
    if _known(value, known) is None:
        value, strength = _split_strength(value, text)
    whole = _known(value, known)
    if whole is None and value.startswith(EXAMPLE):
        if feature_of is None:
            raise EditError(f"the edit {text!r}: an example photo cannot be given here")
        return Edit(named, feature_of(value.removeprefix(EXAMPLE)), strength)
    classes = []
    for word in [value] if whole else [part.strip() for part in value.split("+")]:
        found = _known(word, known)
        if found is None:
            raise EditError(
                f"the edit {text!r}: {named} has no class {word!r}{_meant(word, known)}; its "
                f"classes are {', '.join(known)}"
            )
        classes.append(found)
    return Edit(named, classes[0] if len(classes) == 1 else _even(classes), strength)


def _known(word: str, known: Sequence[str]) -> str | None:
    """The word as the schema has it, else the only one that differs by nothing but capitals."""
    if word in known:
        return word
    alike = [name for name in known if name.casefold() == word.casefold()]
    return alike[0] if len(alike) == 1 else None


def _split_strength(value: str, text: str) -> tuple[str, float]:
    """``striped:0.5`` -> ``striped``, 0.5; without a number behind the last colon it is 1."""
    head, colon, tail = value.rpartition(":")
    try:
        strength = float(tail) if colon else 1.0
    except ValueError:
        return value, 1.0
    if not 0 <= strength <= 1:
        raise EditError(
            f"the edit {text!r} has the strength {tail}; expected a number from 0 (as it is) to 1 "
            "(as asked)"
        )
    return (head.strip() if colon else value), strength


def _even(classes: Sequence[str]) -> dict[str, float]:
    """A class that is named twice counts twice."""
    return {name: float(classes.count(name)) for name in classes}


def _meant(word: str, known: Sequence[str]) -> str:
    alike = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), list(alike), n=1)
    return f" (did you mean {alike[close[0]]!r}?)" if close else ""
