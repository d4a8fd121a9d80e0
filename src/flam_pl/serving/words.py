"""Edits in words: "in red, striped", "in red instead of blue"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from os.path import commonprefix
from typing import NamedTuple

from flam_pl.attributes import AttributeSchema, did_you_mean, fold_spelling
from flam_pl.editing.edits import Edit, EditError, in_order

FILLING = {
    *("a", "an", "and", "any", "as", "be", "but", "by", "can", "color", "colored", "colour"),
    *("coloured", "colours", "could", "for", "get", "give", "has", "have", "i", "i'd", "i'll"),
    *("in", "instead", "is", "it", "it's", "item", "just", "like", "love", "make", "me", "more"),
    *("my", "now", "of", "one", "ones", "only", "or", "pattern", "piece", "please", "rather"),
    *("same", "show", "some", "something", "style", "that", "the", "them", "these", "this"),
    *("those", "to", "version", "very", "want", "with", "would", "you"),
}
"""Words to ignore, unless a class or an attribute type has that name."""
MARKS = "+/&,;.:=!?"
QUOTES = "\"'()[]{}<>“”„«»"
JOINING = {"and", "or", "+", "/", "&"}  # with a comma, what makes a mix of two classes
NOT = {"except", "never", "no", "non", "not", "than", "without"}  # and "instead of"
POINTING = {"my", "that", "the", "these", "this", "those"}
LIGHT = {"a", "an", "any", *POINTING}  # words that leave "not" as it is

OTHERWISE = {"brief", "flat", "long", "short", "tight"}  # "a short dress": no shorts, no sleeve
SHORTEST = 4  # letters of a word that may be misspelt: "ted" is not "red"
LONG = 7  # letters of a word of which one may be wrong: "shirt" is neither "skirt" nor "short"
PART = 3  # letters of a word that may stand for a class of several words: not the "t" of t-shirt


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


class Mention(NamedTuple):
    """What a text says of one attribute type, in one place."""

    kind: str
    names: list[str]  # any of these classes
    gap: list[str]  # the words and marks before it, back to the mention before
    refused: bool  # "not" or "instead of" stands before it
    joined: bool  # to the mention before, which is of the same type

    @property
    def points(self) -> bool:
        """Whether it may describe the query: "this red dress"."""
        return bool(self.gap) and self.gap[-1] in POINTING


class Words:
    """Reads text edits with the classes of one schema.

    >>> words = Words(AttributeSchema({"color": ("red", "navy blue"), "sleeve": ("short", "long")}))
    >>> [str(edit) for edit in words.parse("In navy instead of red, with lnog sleeves")]
    ['color=navy blue', 'sleeve=long']
    """

    def __init__(self, schema: AttributeSchema, synonyms: Mapping[str, str] | None = None) -> None:
        self.schema = schema
        self.meanings: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for kind in schema.types:
            for name in schema.of(kind):
                self.meanings.setdefault(key_of(name), []).append((kind, name))
        classes = dict(self.meanings)
        known = {name: key for key, of in classes.items() for _, name in of}
        for word, name in (synonyms or {}).items():
            if name in known:
                self.meanings.setdefault(key_of(word), classes[known[name]])
        self.names = [name for of in schema.classes.values() for name in of] + [*(synonyms or {})]
        self.types = {key_of(kind)[0]: kind for kind in schema.types if len(key_of(kind)) == 1}
        self.longest = max(map(len, self.meanings))
        single = {key[0] for key in self.meanings if len(key) == 1}
        parts = {part for key in self.meanings for part in key} - {*MARKS}
        self.vocabulary = sorted(single | parts | set(self.types))
        for key, of in classes.items():
            for part in {*key} - single:
                if len(part) >= PART and part not in OTHERWISE and not self.is_filling(part):
                    meant = self.meanings.setdefault((part,), [])
                    meant += [each for each in of if each not in meant]

    def parse(self, text: str) -> list[Edit]:
        """The edits that a text asks for, one per type.

        Classes of one type that "and", "or", a comma or a sign joins are a mix. A word of longer
        class names means any of them. A misspelling is accepted if exactly one known word is near.
        Raises EditError for an unknown word, for a class that several types have, for two classes
        of one type of which either may be meant, for a text that only says what is not wanted, and
        for a text without a class.
        """
        mentions = self.mentions(text)
        if not mentions:
            raise EditError(
                f"{text!r} names no class to change to; expected some of {self.examples()}"
            )
        edits = []
        for kind in dict.fromkeys(mention.kind for mention in mentions):
            names = wanted_names(mentions, kind, text)
            edits.append(Edit(kind, names[0] if len(names) == 1 else dict.fromkeys(names, 1.0)))
        return in_order(edits, self.schema)

    def mentions(self, text: str) -> list[Mention]:
        """The classes of a text, in its order. Raises EditError."""
        typed = tokens(text)
        words = [self.spelled(word) for word in typed]
        found: list[Mention] = []
        gap: list[str] = []
        unknown: list[str] = []
        hint, at = None, 0
        while at < len(words):
            for length in range(min(self.longest, len(words) - at), 0, -1):
                meanings = self.meanings.get(tuple(words[at : at + length]))
                if meanings:
                    after = self.type_of(words[at + length]) if at + length < len(words) else None
                    kind, names = self.one_of(meanings, hint or after, text)
                    found.append(mention(kind, names, gap, found[-1] if found else None, text))
                    at, gap = at + length, []
                    break
            else:
                word = words[at]
                if kind_named := self.type_of(word):
                    hint = kind_named
                elif word == "of" and gap[-1:] == ["instead"]:
                    gap[-1] = "not"
                elif self.is_filling(word):
                    gap.append(word)
                else:
                    unknown.append(typed[at])
                at += 1
        if unknown:
            raise EditError(self.not_known(unknown, text))
        if not NOT.isdisjoint(gap):
            raise says_what_not(text)
        return found

    def is_filling(self, word: str) -> bool:
        """Whether a word names nothing, but may say how what is named is meant."""
        return word in FILLING or word in NOT or word in MARKS or self.type_of(word) is not None

    def type_of(self, word: str) -> str | None:
        """The attribute type that a word names, also in the plural."""
        return self.types.get(word) or self.types.get(word.removesuffix("s"))

    def one_of(
        self, meanings: list[tuple[str, str]], hint: str | None, text: str
    ) -> tuple[str, list[str]]:
        """The type, and its classes."""
        kinds = list(dict.fromkeys(kind for kind, _ in meanings))
        if hint in kinds:
            kinds = [hint]
        if len(kinds) == 1:
            return kinds[0], [name for kind, name in meanings if kind == kinds[0]]
        name = meanings[0][1]
        raise EditError(
            f"{name!r} in {text!r} may be {' or '.join(kinds)}; name the attribute before it, e.g. "
            f"'{kinds[0]} {name}'"
        )

    def spelled(self, word: str) -> str:
        """The word, or the one known word of which it is a misspelling or another form."""
        if word in self.vocabulary or self.is_filling(word):
            singular = word.removesuffix("s")
            return singular if singular in self.types and word not in self.vocabulary else word
        if len(word) < SHORTEST or word.isdigit() or word in OTHERWISE:
            return word
        near = [
            known for known in self.vocabulary if misspelt(word, known) or stem(word) == stem(known)
        ]
        return near[0] if len(near) == 1 else word

    def not_known(self, unknown: list[str], text: str) -> str:
        near = did_you_mean(unknown[0], self.names)
        words = ", ".join(repr(as_typed(word, text)) for word, _ in groupby(unknown))
        return f"{words} in {text!r} is not known{near}; known are {self.examples()}"

    def examples(self) -> str:
        """The classes of each type, as a sentence."""
        parts = []
        for kind in self.schema.types:
            names = self.schema.of(kind)
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            parts.append(f"{kind}: {', '.join(names[:8])}{more}")
        return "; ".join(parts)


def mention(
    kind: str, names: list[str], gap: list[str], before: Mention | None, text: str
) -> Mention:
    """Raises EditError if it is not sure whether the classes are wanted."""
    joins = not JOINING.isdisjoint(gap)
    direct = {*gap} <= {*JOINING, ","} | ({"a", "an", "in"} if joins else set())
    joined = before is not None and before.kind == kind and direct and (joins or "," in gap)
    if not NOT.isdisjoint(gap):
        last = max(at for at, word in enumerate(gap) if word in NOT)
        if not {*gap[last + 1 :]} <= LIGHT | {"in"}:  # "no, make it red"
            raise says_what_not(text)
        refused = True
    else:  # "instead of a blue dress", "not red or blue"
        refused = before is not None and before.refused and (joins or {*gap} <= LIGHT)
    return Mention(kind, names, gap, refused, joined)


def wanted_names(mentions: Sequence[Mention], kind: str, text: str) -> list[str]:
    """The classes of one type that a text wants. Raises EditError if it may want others."""
    numbers = [n for n, m in enumerate(mentions) if m.kind == kind and not m.refused]
    refused = {name for m in mentions if m.kind == kind and m.refused for name in m.names}
    groups: list[tuple[int, list[str]]] = []  # number of the first mention, classes
    for n in numbers:
        names = [name for name in mentions[n].names if name not in refused]
        if groups and mentions[n].joined:
            groups[-1] = groups[-1][0], list(dict.fromkeys([*groups[-1][1], *names]))
        elif groups and (both := [name for name in groups[-1][1] if name in names]):
            groups[-1] = groups[-1][0], both  # "vertical red stripes"
        else:
            groups.append((n, names))
    if len(groups) == 2 and replaces(mentions[groups[0][0] : groups[1][0] + 1]):
        groups = groups[1:]
    if not groups or not all(names for _, names in groups):
        raise says_what_not(text)
    listed = len(numbers) > 1 and mentions[numbers[0]].joined  # "not red, blue or green"
    if len(groups) > 1 or listed:
        either = " or ".join(dict.fromkeys(name for _, names in groups for name in names))
        raise EditError(
            f"{either}? {text!r} may mean each of them; name one, or write {either!r} for any"
        )
    return groups[0][1]


def replaces(mentions: Sequence[Mention]) -> bool:
    """Whether the first one describes the query and the last one the wish: "this red dress but in
    blue", "make the blue one red"."""
    between = [word for each in mentions[1:] for word in each.gap]
    marked = "but" in between or ("make" in mentions[0].gap and "one" in between)
    return mentions[0].points and marked and "with" not in between


def says_what_not(text: str) -> EditError:
    return EditError(
        f"{text!r} says what is not wanted; a search cannot leave that out yet. Name what is "
        "wanted in its place"
    )


def as_typed(word: str, text: str) -> str:
    """A folded word as the text has it."""
    found = [part for part in text.split() if word in tokens(part)]
    same = re.search(re.escape(word), text, re.IGNORECASE)
    return same[0] if same else found[0].strip(MARKS) if found else word


def stem(word: str) -> str:
    """One form of "striped", "stripes" and "stripe".

    >>> stem("stripes"), stem("striped"), stem("red")
    ('strip', 'strip', 'red')
    """
    short = re.sub("(ed|es|e|s)$", "", word)
    return short if len(short) >= SHORTEST else word


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
    """Folded words, and the marks between them.

    >>> tokens("In RED, T-shirt!")
    ('in', 'red', ',', 't', 'shirt', '!')
    """
    marks = re.escape(MARKS)
    split = re.findall(rf"[{marks}]|[^\s_{marks}-]+", fold_spelling(text))
    return tuple(word for part in split if (word := part.strip(QUOTES)))


def key_of(name: str) -> tuple[str, ...]:
    """The tokens of a name, without marks at its ends."""
    found = tokens(name)
    words = [at for at, word in enumerate(found) if word not in MARKS]
    return found[words[0] : words[-1] + 1] if words else found
