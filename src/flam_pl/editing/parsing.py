"""Edits as text: ``color=red``, ``pattern=striped:0.5``, ``color=red+blue``, ``color=@a.jpg``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from flam_pl.attributes import AttributeSchema, fold_spelling
from flam_pl.editing.edits import Edit, EditError, in_order

if TYPE_CHECKING:
    from torch import Tensor

EXAMPLE = "@"  # stands before the name of an example photo


def parse_edits(
    texts: Sequence[str], schema: AttributeSchema, feature_of: Callable[[str], Tensor] | None = None
) -> list[Edit]:
    """Read ``type=class``, an even mix ``type=class+class`` or an example ``type=@photo``, each
    with an optional ``:strength``. ``feature_of`` gives the stored feature ``(D,)`` of an example.

    Case matters only where two names differ by nothing else. A class whose own name is ``a+b`` or
    ``a:1`` is read as that class. Raises EditError, which names the edit, the known words, and the
    nearest of them.

    Example:
        >>> schema = AttributeSchema({"color": ("red", "blue"), "sleeve": ("short", "long")})
        >>> [str(edit) for edit in parse_edits(["Color=RED+blue", "sleeve=long:0.5"], schema)]
        ['color=red+blue', 'sleeve=long:0.5']
    """
    edits = [_parse(text, schema, feature_of) for text in texts]
    in_order(edits, schema)  # raises for two edits of one type
    return edits


def _parse(text: str, schema: AttributeSchema, feature_of: Callable[[str], Tensor] | None) -> Edit:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        example = f"{schema.types[0]}={schema.of(schema.types[0])[0]}"
        raise EditError(
            f"the edit {text!r} is not type=class, e.g. {example}; a strength may follow: "
            f"{example}:0.5"
        )
    attribute_type = _known(name, schema.types)
    if attribute_type is None:
        raise EditError(
            f"the edit {text!r}: there is no attribute type {name!r}{_nearest(name, schema.types)};"
            f" the types are {', '.join(schema.types)}"
        )
    known, strength = schema.of(attribute_type), 1.0
    if _known(value, known) is None:
        value, strength = _split_strength(value)
    whole = _known(value, known)
    if whole is None and value.startswith(EXAMPLE):
        if feature_of is None:
            raise EditError(f"the edit {text!r}: an example photo cannot be given here")
        return Edit(attribute_type, feature_of(value.removeprefix(EXAMPLE)), strength)
    classes = []
    for word in [value] if whole else [part.strip() for part in value.split("+")]:
        found = _known(word, known)
        if found is None:
            raise EditError(
                f"the edit {text!r}: {attribute_type} has no class {word!r}{_nearest(word, known)};"
                f" its classes are {', '.join(known)}"
            )
        classes.append(found)
    # a class that is named twice counts twice
    mix = {c: float(classes.count(c)) for c in classes}
    return Edit(attribute_type, classes[0] if len(classes) == 1 else mix, strength)


def _known(word: str, known: Sequence[str]) -> str | None:
    """The same word, or the only name that differs in its spelling alone."""
    if word in known:
        return word
    alike = [name for name in known if fold_spelling(name) == fold_spelling(word)]
    return alike[0] if len(alike) == 1 else None


def _split_strength(value: str) -> tuple[str, float]:
    """``striped:0.5`` -> ``striped``, 0.5; without a number, the strength is 1."""
    head, colon, tail = value.rpartition(":")
    try:
        return (head.strip(), float(tail)) if colon else (value, 1.0)
    except ValueError:
        return value, 1.0


def _nearest(word: str, known: Sequence[str]) -> str:
    names = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), list(names), n=1)
    return f" (did you mean {names[close[0]]!r}?)" if close else ""
