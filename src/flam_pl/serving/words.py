"""Edits in words: "in red, striped", "pattern like dots"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from itertools import groupby
from os.path import commonprefix

from flam_pl.attributes import AttributeSchema, fold_spelling
from flam_pl.editing.edits import Edit, EditError, in_order

FILLING = {
    *(
        "a",
        "an",
        "and",
        "as",
        "be",
        "but",
        "by",
        "color",
        "colour",
        "for",
        "has",
        "have",
        "i",
        "in",
    ),
    *("instead", "is", "it", "item", "like", "make", "me", "of", "one", "only", "or", "pattern"),
    *("piece", "please", "same", "show", "something", "that", "the", "them", "this", "to", "very"),
    *("want", "with", "would", "version", "style", "just", "more", "now", "but", "these", "those"),
}
"""Words to ignore, unless a class or an attribute type has that name."""

SHORTEST = 4  # letters of a word that may be misspelt: "ted" is not "red"
LONG = 7  # letters of a word of which one may be wrong: "shirt" is neither "skirt" nor "short"


@cache
def default_synonyms() -> list[list[str]]:
    """The groups of ``synonyms.yaml``."""
    import yaml

    text = (files(__package__) / "synonyms.yaml").read_text(encoding="utf-8")
    return [[str(word) for word in group] for group in yaml.safe_load(text)]


def usable_synonyms(schema: AttributeSchema, groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """Word that is no class -> a class that is its synonym.

    >>> schema = AttributeSchema({"color": ("red", "Navy Blue")})
    >>> usable_synonyms(schema, [["navy blue", "navy"], ["t-shirt", "tee"]])
    {'navy': 'Navy Blue'}
    """
    names = {fold_spelling(name): name for of in schema.classes.values() for name in of}
    found: dict[str, str] = {}
    for group in groups:
        classes = [names[word] for word in map(fold_spelling, group) if word in names]
        if classes and (len(classes) == 1 or fold_spelling(group[0]) in names):
            words = [word for word in group if fold_spelling(word) not in names]
            found |= {word: classes[0] for word in words if word not in found}
    return found


class Words:
    """Reads text edits with the classes of one schema.

    >>> words = Words(AttributeSchema({"color": ("red", "navy blue"), "sleeve": ("short", "long")}))
    >>> [str(edit) for edit in words.parse("This one in navy blue, with lnog sleeves")]
    ['color=navy blue', 'sleeve=long']
    """

    def __init__(self, schema: AttributeSchema, synonyms: Mapping[str, str] | None = None) -> None:
        self.schema = schema
        self.meanings: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for kind in schema.types:
            for name in schema.of(kind):
                self.meanings.setdefault(tokens(name), []).append((kind, name))
        known = {name: key for key, of in self.meanings.items() for _, name in of}
        for word, name in (synonyms or {}).items():
            if name in known:
                self.meanings.setdefault(tokens(word), self.meanings[known[name]])
        self.types = {tokens(kind)[0]: kind for kind in schema.types if len(tokens(kind)) == 1}
        self.longest = max(map(len, self.meanings))
        single = {key[0] for key in self.meanings if len(key) == 1}
        parts = {part for key in self.meanings for part in key}
        self.vocabulary = sorted(single | parts | set(self.types))

    def parse(self, text: str) -> list[Edit]:
        """The edits that a text asks for, one per type; two classes of one type are a mix.

        Raises EditError for an unknown word, for a class that several types have, and for a text
        without a class. A misspelling is accepted if exactly one known word is near.
        """
        words = [self.spelled(word) for word in tokens(text)]
        found: dict[str, list[str]] = {}
        unknown: list[str] = []
        hint, at = None, 0
        while at < len(words):
            for length in range(min(self.longest, len(words) - at), 0, -1):
                meanings = self.meanings.get(tuple(words[at : at + length]))
                if meanings:
                    after = self.type_of(words[at + length]) if at + length < len(words) else None
                    kind, name = self.one_of(meanings, hint or after, text)
                    found.setdefault(kind, []).append(name)
                    at += length
                    break
            else:
                if kind_named := self.type_of(words[at]):
                    hint = kind_named
                elif words[at] not in FILLING:
                    unknown.append(words[at])
                at += 1
        if unknown:
            raise EditError(self.not_known(unknown, text))
        if not found:
            raise EditError(
                f"{text!r} names no class to change to; expected some of {self.examples()}"
            )
        edits = [
            Edit(kind, names[0] if len(set(names)) == 1 else dict.fromkeys(names, 1.0))
            for kind, names in found.items()
        ]
        return in_order(edits, self.schema)

    def type_of(self, word: str) -> str | None:
        """The attribute type that a word names, also in the plural."""
        return self.types.get(word) or self.types.get(word.removesuffix("s"))

    def one_of(
        self, meanings: list[tuple[str, str]], hint: str | None, text: str
    ) -> tuple[str, str]:
        named = [each for each in meanings if each[0] == hint] or meanings
        if len(named) == 1:
            return named[0]
        kinds = " or ".join(kind for kind, _ in named)
        raise EditError(
            f"{named[0][1]!r} in {text!r} may be {kinds}; name the attribute before it, e.g. "
            f"'{named[0][0]} {named[0][1]}'"
        )

    def spelled(self, word: str) -> str:
        """The word, or the one known word of which it is a misspelling."""
        if word in self.vocabulary or word in FILLING or self.type_of(word):
            return word
        if len(word) < SHORTEST or word.isdigit():
            return word
        near = [known for known in self.vocabulary if misspelt(word, known)]
        return near[0] if len(near) == 1 else word

    def not_known(self, unknown: list[str], text: str) -> str:
        near = get_close_matches(unknown[0], self.vocabulary, n=1, cutoff=0.6)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        words = ", ".join(repr(word) for word, _ in groupby(unknown))
        return f"{words} in {text!r} is not known{hint}; known are {self.examples()}"

    def examples(self) -> str:
        """The classes of each type, as a sentence."""
        parts = []
        for kind in self.schema.types:
            names = self.schema.of(kind)
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            parts.append(f"{kind}: {', '.join(names[:8])}{more}")
        return "; ".join(parts)


def misspelt(word: str, known: str) -> bool:
    """Whether two words differ by one letter more or less, two swapped neighbours, a plural ending
    or, if long, one wrong letter.

    >>> misspelt("lnog", "long"), misspelt("turqoise", "turquoise"), misspelt("skirt", "shirt")
    (True, True, False)
    """
    shorter, longer = sorted((word, known), key=len)
    if longer in (f"{shorter}s", f"{shorter}es"):
        return True
    if len(longer) - len(shorter) > 1:
        return False
    start = len(commonprefix([shorter, longer]))
    if len(shorter) < len(longer):
        return shorter[start:] == longer[start + 1 :]
    swapped = word[start : start + 2] == known[start : start + 2][::-1]
    wrong = 2 if swapped else 1
    return (swapped or len(word) >= LONG) and word[start + wrong :] == known[start + wrong :]


def tokens(text: str) -> tuple[str, ...]:
    """Folded words, without punctuation at their ends.

    >>> tokens("In RED, T-shirt!")
    ('in', 'red', 't-shirt')
    """
    split = fold_spelling(text.replace("/", " ").replace("_", " ")).split()
    return tuple(word for part in split if (word := part.strip(".,;:!?\"'()[]&+-")))
