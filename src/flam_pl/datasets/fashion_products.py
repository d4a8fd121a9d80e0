"""Reader of the Fashion Product Images (Kaggle, MIT)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import FashionProductsData
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.listings import attributes_of, keep_photos
from flam_pl.errors import FlamError

TYPES = ("shape", "color", "pattern")
EXTRA_ATTRIBUTES = ("gender", "season", "usage", "brand")
FIELDS = (
    *("id", "gender", "masterCategory", "subCategory", "articleType", "baseColour"),
    *("season", "year", "usage", "productDisplayName"),
)
OURS = {"id": "item", "articleType": "shape", "baseColour": "color", "productDisplayName": "name"}
PATTERN_WORDS = {
    "solid": ("solid", "solids", "plain"),
    "stripes": ("stripe", "stripes", "striped"),
    "check": ("check", "checks", "checked", "checkered", "chequered", "plaid"),
    "print": ("print", "prints", "printed", "graphic", "graphics"),
    "wash": ("wash", "washed"),
    "logo": ("logo", "logos"),
}
"""Pattern -> words of a product name; rarer patterns have too few photos."""
LARGEST = 6  # products that count as one garment; more of an equal name are a product line
RARE = 2  # a word is rare if at most so many names have it
SHADES = frozenset({"light", "dark"})
_PATTERN_OF = {word: pattern for pattern, words in PATTERN_WORDS.items() for word in words}
_WEARER = re.compile(r"\b(?:men|man|women|woman|unisex|boy|girl|kid)(?:'?s)?\b", re.IGNORECASE)


def read(root: Path, data: FashionProductsData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog, split at random; products with equal name or garment stay together. shape:
    ``articleType``; color: ``baseColour``; pattern: a word of the name."""
    types = schema.types if schema else tuple(data.types)
    attributes_of(types, {}, TYPES, "Fashion Product Images")
    styles, folder = root / "styles.csv", root / "images"
    if not styles.is_file() or not folder.is_dir():
        remedy = "Point data.root at the unpacked Fashion Product Images of Kaggle."
        raise FlamError(f"{root} is not there or lacks styles.csv or images/. {remedy}")
    table, dropped = _read_rows(styles)
    known = sorted(table["masterCategory"].dropna().unique())
    table, missing = keep_photos(table, root)
    photos = {f"images/{f.name}" for f in folder.iterdir() if f.suffix.lower() in (".jpg", ".jpeg")}
    unlisted = sorted(photos - set(table["path"]))
    dropped += [*missing, *(Dropped(path, "no row in styles.csv") for path in unlisted)]
    table = table[table["masterCategory"].eq(data.category).fillna(False)]
    if table.empty:
        got = f"no product with a photo has the masterCategory of data.category, {data.category!r}"
        raise FlamError(f"{styles}: {got}; expected one of {', '.join(known)}")
    table = table.drop(columns="masterCategory").assign(domain="shop")
    table["brand"] = _brands(table["name"])
    table["garment"] = find_garments(table)
    found = Found("fashion_products", root, table, types, EXTRA_ATTRIBUTES, dropped)
    found.together, found.one_photo_per_item = ("name", "garment"), True
    return assemble(found, data, schema)


def pattern_of(name: str) -> str | None:
    """The pattern in a product name; None for none or several.

    >>> pattern_of("Lee Men CHECKED Shirt"), pattern_of("Lee Men Solid Striped Tie")
    ('check', None)
    """
    words = re.findall(r"[^\W\d_]+", name.lower())
    found = {_PATTERN_OF[word] for word in words if word in _PATTERN_OF}
    return found.pop() if len(found) == 1 else None


def _read_rows(styles: Path) -> tuple[pd.DataFrame, list[Dropped]]:
    """The products, by file and line, and dropped lines."""
    rows, dropped, seen = dict[str, list[str]](), list[Dropped](), set[str]()
    for line, fields in _lines(styles):
        where, identity = f"{styles.name} line {line}", fields[0]
        reason = "the id was there before" if identity in seen else ""
        if len(fields) < len(FIELDS):
            reason = f"fewer than {len(FIELDS)} fields"
        elif not (identity.isascii() and identity.isdigit()):
            reason = "the id is not a whole number"
        if reason:
            dropped.append(Dropped(f"{where} (id {identity})", reason))
        else:
            seen.add(identity)
            rows[where] = fields
    if not rows:
        raise FlamError(f"{styles} lists no product; {len(dropped)} line(s) could not be read")
    table = pd.DataFrame(list(rows.values()), list(rows), list(FIELDS), dtype="string")
    table = table.drop(columns="year").rename(columns=OURS)
    table["path"] = "images/" + table["item"] + ".jpg"
    table["pattern"] = table["name"].map(pattern_of).astype("string")
    table[["shape", "color"]] = table[["shape", "color"]].replace("NA", "")  # a usage, no class
    return table.replace("", pd.NA), dropped


def _lines(styles: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of every line; the last field, the name, may hold commas."""
    with styles.open(encoding="utf-8-sig", errors="replace") as file:
        header = [name.strip().strip('"') for name in file.readline().split(",")]
        if tuple(header[: len(FIELDS)]) != FIELDS:
            got, expected = ",".join(header).strip(), ",".join(FIELDS)
            raise FlamError(f"{styles} line 1: got the header {got!r}, expected {expected!r}")
        for line, text in enumerate(file, start=2):
            if text.strip():
                *fields, last = text.split(",", len(FIELDS) - 1)
                yield line, [*(field.strip().strip('"') for field in fields), _name(last)]


def _name(field: str) -> str:
    name = field.rstrip(", \t\r\n").lstrip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('""', '"')
    return " ".join(name.split())


def _brands(names: pd.Series) -> pd.Series:
    """The words before "Men", "Kids", ..., else the longest such brand that begins the name."""
    before = [None if pd.isna(name) else _before_wearer(name) for name in names]
    usual: dict[str, str] = {}  # "roxy", "ROXY" and "Roxy" are one brand: the commonest spelling
    for brand, _ in Counter(brand for brand in before if brand).most_common():
        usual.setdefault(brand.casefold(), brand)
    longest_first = sorted(usual, key=lambda brand: (-len(brand), brand))

    def of(name: object, brand: str | None) -> str | None:
        if brand:
            return usual[brand.casefold()]
        text = f"{name} ".casefold()
        return next((usual[key] for key in longest_first if text.startswith(f"{key} ")), None)

    found = [of(name, brand) for name, brand in zip(names, before, strict=True)]
    return pd.Series(found, index=names.index, dtype="string")


def _before_wearer(name: str) -> str | None:
    match = _WEARER.search(name)
    words = name[: match.start()].split() if match else []
    while words and words[-1].lower() in _PATTERN_OF:  # "Turtle Check Men Brown Shirt"
        words.pop()
    return " ".join(words) or None


def find_garments(table: pd.DataFrame) -> pd.Series:
    """Per product, the first item of its garment, if that is sold in several colors.

    Products of one garment have equal gender, shape and name (without colors), with a rare word.

    >>> names = ["Ed Men Rakish Blue Shirt", "Ed Men Rakish Red Shirt", "Ed Men Navy Shirt"]
    >>> colors = ["Blue", "Red", "Navy Blue"]
    >>> table = pd.DataFrame({"item": ["7", "8", "9"], "name": names, "color": colors})
    >>> find_garments(table.assign(gender="Men", shape="Shirts").astype("string")).tolist()
    ['7', '7', <NA>]
    """
    colors = {*SHADES, *re.findall("[a-z]+", " ".join(table["color"].dropna().unique()).lower())}
    words = table["name"].fillna("").str.lower().str.findall(r"\w+")
    names = words.map(lambda found: " ".join(word for word in found if word not in colors))
    names_with = Counter(word for name in names.unique() for word in set(name.split()))
    garment = pd.Series(pd.NA, table.index, dtype="string", name="garment")
    keys = [table["gender"].fillna(""), table["shape"].fillna(""), names]
    for rows in table.groupby(keys).indices.values():
        several = 2 <= len(rows) <= LARGEST and table["color"].iloc[rows].nunique() > 1
        if several and any(names_with[word] <= RARE for word in names.iloc[rows[0]].split()):
            garment.iloc[rows] = table["item"].iloc[rows[0]]
    return garment
