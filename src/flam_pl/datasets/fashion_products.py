"""Reader of the Fashion Product Images (Kaggle, MIT): ``styles.csv`` and ``images/{id}.jpg``."""

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
from flam_pl.datasets.garments import find_garments
from flam_pl.datasets.listings import attributes_of
from flam_pl.errors import FlamError

TYPES = ("shape", "color", "pattern")
EXTRA_ATTRIBUTES = ("gender", "season", "usage", "brand")
"""Not the subCategory, which an edit of the shape must change, nor the name of the item."""

FIELDS = (
    *("id", "gender", "masterCategory", "subCategory", "articleType", "baseColour"),
    *("season", "year", "usage", "productDisplayName"),
)

PATTERN_WORDS = {
    "solid": ("solid", "solids", "plain"),
    "stripes": ("stripe", "stripes", "striped"),
    "check": ("check", "checks", "checked", "checkered", "chequered", "plaid"),
    "print": ("print", "prints", "printed", "graphic", "graphics"),
    "wash": ("wash", "washed"),
    "logo": ("logo", "logos"),
}
"""Pattern -> words of a product name. Rarer words (floral, melange) are left out: a handful of
photos is too few to train and evaluate on."""

_PATTERN_OF = {word: pattern for pattern, words in PATTERN_WORDS.items() for word in words}
_WEARER = re.compile(r"\b(?:men|man|women|woman|unisex|boy|girl|kid)(?:'?s)?\b", re.IGNORECASE)


def read(root: Path, data: FashionProductsData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog of the data set, split at random.

    shape is ``articleType``, color ``baseColour``, and pattern the word of the name. Products with
    identical photos are one item, called by the first one. Products with an equal name or photo,
    and garments in several colors (see ``find_garments``), stay on one side of the split.
    """
    types = schema.types if schema else tuple(data.types)
    attributes_of(types, {}, TYPES, "Fashion Product Images")
    styles = root / "styles.csv"
    if not styles.is_file() or not (root / "images").is_dir():
        raise FlamError(
            f"{root} is not there or lacks styles.csv or images/; expected a folder with both, as "
            "the Fashion Product Images of Kaggle unpack. Point data.root at it."
        )
    rows, dropped = _read_rows(styles, _photos(root / "images"))
    table = pd.DataFrame(rows).astype("string")
    known = sorted(table["masterCategory"].dropna().unique())
    table = table[(table["masterCategory"] == data.category).fillna(False)].reset_index(drop=True)
    if table.empty:
        raise FlamError(
            f"{styles}: no row with an image has the masterCategory that data.category names, "
            f"{data.category!r}; expected one of {', '.join(known)}"
        )
    table = table.drop(columns="masterCategory")
    table["brand"] = _brands(table["name"])
    table["garment"] = find_garments(table)
    found = Found(
        "fashion_products",
        root,
        table.assign(domain="shop"),
        types,
        EXTRA_ATTRIBUTES,
        dropped,
        together=("name", "garment"),
        one_photo_per_item=True,
    )
    return assemble(found, data, schema)


def pattern_of(name: str) -> str | None:
    """The pattern that the words of a product name tell; None unless they tell exactly one.

    Example:
        >>> pattern_of("Lee Men CHECKED Shirt"), pattern_of("Lee Men Solid Striped Tie")
        ('check', None)
    """
    words = re.findall(r"[^\W\d_]+", name.lower())
    found = {_PATTERN_OF[word] for word in words if word in _PATTERN_OF}
    return found.pop() if len(found) == 1 else None


def _photos(folder: Path) -> dict[str, str]:
    """Name without its ending -> file name of every photo; .jpg goes before .JPG and .jpeg."""
    files = sorted(folder.iterdir(), key=lambda file: file.suffix != ".jpg", reverse=True)
    return {file.stem: file.name for file in files if file.suffix.lower() in (".jpg", ".jpeg")}


def _read_rows(
    styles: Path, photos: dict[str, str]
) -> tuple[list[dict[str, str | None]], list[Dropped]]:
    """A record per product with a photo, and what was left out.

    Raises:
        FlamError: no product is left.
    """
    rows: list[dict[str, str | None]] = []
    dropped: list[Dropped] = []
    line_of_id: dict[str, int] = {}
    for line, fields in _lines(styles):
        where, identity = f"{styles.name} line {line}", fields[0]
        if len(fields) < len(FIELDS):
            reason = f"fewer than {len(FIELDS)} fields"
        elif not (identity.isascii() and identity.isdigit()):
            reason = "the id is not a whole number"
        elif identity in line_of_id:
            where += f" (id {identity}, first on line {line_of_id[identity]})"
            reason = "the id was there before"
        else:
            line_of_id[identity] = line
            where += f" (images/{identity}.jpg)"
            reason = "" if identity in photos else "no image file"
        if reason:
            dropped.append(Dropped(where, reason))
        else:
            rows.append(_record(dict(zip(FIELDS, fields, strict=True)), photos[identity]))
    for name in sorted(photos[identity] for identity in photos.keys() - line_of_id.keys()):
        dropped.append(Dropped(f"images/{name}", "no row in styles.csv"))
    if not rows:
        first = f", the first: {dropped[0].where}: {dropped[0].reason}" if dropped else ""
        raise FlamError(
            f"{styles}: no product with an image; {len(dropped)} row(s) and image(s) were left "
            f"out{first}. Check that images/ holds the {{id}}.jpg that styles.csv lists."
        )
    return rows, dropped


def _lines(styles: Path) -> Iterator[tuple[int, list[str]]]:
    """Number (from 1) and fields of every line after the header.

    The name comes last and may hold bare commas, so only the first nine commas separate.

    Raises:
        FlamError: a header that is not the published one.
    """
    with styles.open(encoding="utf-8-sig", errors="replace") as file:
        header = [name.strip().strip('"') for name in file.readline().split(",")]
        if tuple(header[: len(FIELDS)]) != FIELDS:
            raise FlamError(
                f"{styles} line 1: got the header {','.join(header).strip()!r}, expected "
                f"{','.join(FIELDS)!r} (further columns are ignored)"
            )
        for line, text in enumerate(file, start=2):
            if text.strip():
                *fields, last = text.split(",", len(FIELDS) - 1)
                yield line, [*(field.strip().strip('"') for field in fields), _name(last)]


def _name(field: str) -> str:
    """The product name, without empty columns after it and without the quotes of a CSV writer."""
    name = field.rstrip(", \t\r\n").lstrip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('""', '"')
    return " ".join(name.split())


def _record(row: dict[str, str], photo: str) -> dict[str, str | None]:
    name, kept = row["productDisplayName"], ("gender", "masterCategory", "subCategory")
    record = {column: row[column] for column in (*kept, "season", "usage")}
    record |= {"path": f"images/{photo}", "item": row["id"], "name": name}
    for kind, column in (("shape", "articleType"), ("color", "baseColour")):
        record[kind] = "" if row[column] == "NA" else row[column]
    # an empty field is not known; "NA" is a real value of `usage`, but no class of a garment
    return {c: value or None for c, value in record.items()} | {"pattern": pattern_of(name)}


def _brands(names: pd.Series) -> pd.Series:
    """The brand of every product: the words before "Men", "Women", "Kids", ... in its name.

    A name without such a word has the longest of these brands that it begins with.
    """
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
    if match is None:
        return None
    words = name[: match.start()].split()
    while words and words[-1].lower() in _PATTERN_OF:  # "Turtle Check Men Brown Shirt"
        words.pop()
    return " ".join(words) or None
