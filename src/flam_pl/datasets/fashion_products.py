"""Reader of the Fashion Product Images (Kaggle, MIT): ``styles.csv`` and ``images/{id}.jpg``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.garments import find_garments, garment_note
from flam_pl.datasets.splits import (
    EVERY_DENSE_ROW,
    identical_files,
    keep_classes,
    leak_groups,
    split_dense,
    top_classes,
    with_distorted_views,
)
from flam_pl.errors import FlamError

TYPES = ("shape", "color", "pattern")
EXTRAS = ("gender", "season", "usage", "brand", "subCategory", "name")
TRAITS = ("gender", "season", "usage", "brand")
"""What an edit should keep. Not subCategory: the articleType implies it (all Jeans are Bottomwear),
so an edit of shape would be blamed for doing as it was told. Not the name, which is the item."""

FIELDS = (
    "id",
    "gender",
    "masterCategory",
    "subCategory",
    "articleType",
    "baseColour",
    "season",
    "year",
    "usage",
    "productDisplayName",
)

PATTERN_WORDS = {
    "solid": ("solid", "solids", "plain"),
    "stripes": ("stripe", "stripes", "striped"),
    "check": ("check", "checks", "checked", "checkered", "chequered", "plaid"),
    "print": ("print", "prints", "printed", "graphic", "graphics"),
    "wash": ("wash", "washed"),
    "logo": ("logo", "logos"),
}
"""Pattern -> words of a product name that tell it. A graphic is a kind of print, and a third of the
names with the word say "Graphic Print". Rarer words (floral, embroidered, melange) are left out: a
handful of images cannot be trained, validated and evaluated on."""

_PATTERN_OF = {word: pattern for pattern, words in PATTERN_WORDS.items() for word in words}
_WEARER = re.compile(r"\b(?:men|man|women|woman|unisex|boy|girl|kid)(?:'?s)?\b", re.IGNORECASE)


def read_fashion_products(
    root: Path,
    *,
    category: str = "Apparel",
    classes: int = 10,
    evaluation: int = 1200,
    validation: int = 300,
    seed: int = 0,
    schema: AttributeSchema | None = None,
) -> Catalog:
    """The Fashion Product Images under ``root`` as a Catalog.

    shape is ``articleType``, color ``baseColour``, and pattern comes from the words of the name:
    no column holds it. An item is one photo, so val and evaluation rows get a distorted view each
    for FIR (see ``with_distorted_views``); products that share a photo, byte by byte, are one item,
    called by the first of them. Products of an equal name or photo stay on one side of the split,
    because the set lists the same garment several times. A garment in several colors (see
    ``find_garments``) is whole on one side too, and never trains (see ``split_dense``).

    Args:
        root: folder with ``styles.csv`` and ``images/``.
        category: value of ``masterCategory`` to keep.
        classes: most frequent classes to keep a type; rarer ones become unlabelled.
        evaluation: dense rows to evaluate.
        validation: dense rows to validate on.
        seed: of the split.
        schema: the schema of a trained run, to evaluate that run on this catalogue: classes
            outside it become unlabelled, and every dense row is evaluated.

    Raises:
        FlamError: a missing folder or file, another header, an unknown category, no image.
    """
    root = Path(root)
    photos = _photos(root)
    rows, dropped = _read_rows(root / "styles.csv", photos)
    table = pd.DataFrame(rows).astype("string")
    known = sorted(table["masterCategory"].dropna().unique())
    table = table[(table["masterCategory"] == category).fillna(False)].reset_index(drop=True)
    if table.empty:
        raise FlamError(
            f"{root / 'styles.csv'}: no row with an image has the masterCategory that "
            f"data.category names, {category!r}; expected one of {', '.join(known)}"
        )
    if schema is None:
        schema = top_classes(table, TYPES, classes)
    else:
        _require_types(schema)
        evaluation = EVERY_DENSE_ROW
    table["brand"] = _brands(table["name"])
    table["garment"] = find_garments(table)
    contents = identical_files([root / path for path in table["path"]])
    table, notes = keep_classes(table, schema, f"{root} ({category})")
    table["split"] = split_dense(
        table,
        schema.types,
        evaluation=evaluation,
        validation=validation,
        seed=seed,
        groups=leak_groups(table, ("name", "garment"), contents),
        held_out=table["garment"].notna().to_numpy(dtype=bool),
    )
    table["item"] = table["item"].groupby(contents).transform("first")
    notes += [*_twins(table), *garment_note(table)]
    table["domain"] = "shop"
    table = with_distorted_views(table, schema.types, contents)
    return Catalog.build(
        "fashion_products", root, table, schema, EXTRAS, dropped, notes, traits=TRAITS
    )


def pattern_of(name: str) -> str | None:
    """The pattern that the words of a product name tell; None unless exactly one is meant."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    found = {_PATTERN_OF[word] for word in words if word in _PATTERN_OF}
    return found.pop() if len(found) == 1 else None


def _twins(table: pd.DataFrame) -> Iterator[str]:
    """How many products share their photo, if any do."""
    shared = table["item"][table["item"].duplicated(keep=False)]
    if len(shared):
        yield (
            f"{len(shared)} products have the very photo of another one: they count as "
            f"{shared.nunique()} item(s)"
        )


def _photos(root: Path) -> set[str]:
    there = {root: root.is_dir(), root / "styles.csv": (root / "styles.csv").is_file()}
    there[root / "images"] = (root / "images").is_dir()
    for wanted, is_there in there.items():
        if not is_there:
            raise FlamError(
                f"{wanted} is not there; expected a folder with styles.csv and images/{{id}}.jpg, "
                "as the Fashion Product Images of Kaggle unpack. Point data.root at it."
            )
    return {file.name for file in (root / "images").iterdir() if file.suffix == ".jpg"}


def _read_rows(
    styles: Path, photos: set[str]
) -> tuple[list[dict[str, str | None]], tuple[Dropped, ...]]:
    """One record a product that has an image, and what was left out on the way.

    Raises:
        FlamError: no product is left.
    """
    rows: list[dict[str, str | None]] = []
    dropped: list[Dropped] = []
    line_of_id: dict[str, int] = {}
    for line, fields in _lines(styles):
        where = f"{styles.name} line {line}"
        if len(fields) < len(FIELDS):
            reason = f"fewer than {len(FIELDS)} fields"
        elif not (fields[0].isascii() and fields[0].isdigit()):
            reason = "the id is not a whole number"
        elif fields[0] in line_of_id:
            where += f" (id {fields[0]}, first on line {line_of_id[fields[0]]})"
            reason = "the id was there before"
        else:
            line_of_id[fields[0]] = line
            where += f" (images/{fields[0]}.jpg)"
            reason = "" if f"{fields[0]}.jpg" in photos else "no image file"
        if reason:
            dropped.append(Dropped(where, reason))
        else:
            rows.append(_record(dict(zip(FIELDS, fields, strict=True))))
    for photo in sorted(photos - {f"{identity}.jpg" for identity in line_of_id}):
        dropped.append(Dropped(f"images/{photo}", "no row in styles.csv"))
    if not rows:
        first = f", the first: {dropped[0].where}: {dropped[0].reason}" if dropped else ""
        raise FlamError(
            f"{styles}: no product with an image; {len(dropped)} row(s) and image(s) were left "
            f"out{first}. Check that images/ holds the {{id}}.jpg that styles.csv lists."
        )
    return rows, tuple(dropped)


def _lines(styles: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number (from 1) and cleaned fields of every line after the header.

    The name comes last and may hold bare commas, so a line is cut at its first nine commas only.

    Raises:
        FlamError: a header that is not the published one.
    """
    # utf-8-sig drops a byte order mark; text mode turns CRLF into LF.
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
    """The product name: without empty columns after it, without the quotes of a CSV writer."""
    name = field.rstrip(", \t\r\n").lstrip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('""', '"')
    return " ".join(name.split())


def _record(row: dict[str, str]) -> dict[str, str | None]:
    # An empty field is "not known" everywhere. The text "NA" is a real value of `usage`, but no
    # class of a garment.
    def label(value: str) -> str | None:
        return None if value in ("", "NA") else value

    return {
        "path": f"images/{row['id']}.jpg",
        "item": row["id"],
        "shape": label(row["articleType"]),
        "color": label(row["baseColour"]),
        "pattern": pattern_of(row["productDisplayName"]),
        "name": row["productDisplayName"] or None,
        **{
            column: row[column] or None
            for column in ("masterCategory", "subCategory", "gender", "season", "usage")
        },
    }


def _brands(names: pd.Series) -> pd.Series:
    """The brand of every product: the words before "Men", "Women", "Kids", ... in its name.

    A name without such a word gets the longest brand, known from the other names, it begins with.
    """
    before = [None if pd.isna(name) else _before_wearer(name) for name in names]
    spellings = Counter(brand for brand in before if brand)
    usual: dict[str, str] = {}  # "roxy", "ROXY" and "Roxy" are one brand: the commonest spelling
    for brand, _ in spellings.most_common():
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


def _require_types(schema: AttributeSchema) -> None:
    unknown = [kind for kind in schema.types if kind not in TYPES]
    if unknown:
        raise FlamError(
            f"the run was trained on {', '.join(schema.types)}, but the Fashion Product Images "
            f"have no {', '.join(unknown)}: they have {', '.join(TYPES)}"
        )
