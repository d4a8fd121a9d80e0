"""One garment in several classes: photos that show what an edit should find, without drawing it."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd

LARGEST = 6
"""Most products that are taken for one garment; more with an equal name are a product line."""
RARE = 2
"""Most names that a word may stand in to count as rare."""
SHADES = frozenset({"light", "dark"})
"""Words that name the shade of a color, not a color."""


def find_garments(table: pd.DataFrame) -> pd.Series:
    """The garment of every product that is sold in several colors.

    Products of one gender and shape whose names differ in words of color only are one garment, if
    there are 2 to 6 of them, of more than one known color, and some other word of the name is rare:
    it stands in at most two of the names (without colors, an equal name counts once). Names of
    brands repeat within a line, so a name of frequent words alone tells no garment.

    The colors must be those of the data set: after ``keep_classes`` a rare one would be missing.

    Args:
        table: Fashion Product Images, one row per product: the text columns ``item``, ``gender``,
            ``shape``, ``color`` and ``name``.

    Returns:
        The item of the garment's first product, NA for all other products, ``(N,)``.

    Example:
        >>> names = ["Ed Men Rakish Blue Shirt", "Ed Men Rakish Red Shirt", "Ed Men Navy Shirt"]
        >>> colors = ["Blue", "Red", "Navy Blue"]
        >>> table = pd.DataFrame({"item": ["7", "8", "9"], "name": names, "color": colors})
        >>> find_garments(table.assign(gender="Men", shape="Shirts").astype("string")).tolist()
        ['7', '7', <NA>]
    """
    colors = set(SHADES)
    for color in table["color"].dropna().unique():
        colors.update(re.findall(r"[a-z]+", str(color).lower()))
    names = [
        tuple(word for word in re.findall(r"\w+", name.lower()) if word not in colors)
        for name in table["name"].fillna("")
    ]
    stands_in = Counter(word for name in set(names) for word in set(name))
    products: dict[tuple[object, ...], list[int]] = {}
    keys = zip(table["gender"].fillna(""), table["shape"].fillna(""), names, strict=True)
    for row, key in enumerate(keys):
        products.setdefault(key, []).append(row)

    garment = pd.Series(pd.NA, table.index, dtype="string", name="garment")
    for (_, _, name), rows in products.items():
        several = 2 <= len(rows) <= LARGEST and table["color"].iloc[rows].nunique() > 1
        if several and any(stands_in[word] <= RARE for word in name):  # type: ignore[attr-defined]
            garment.iloc[rows] = table["item"].iloc[rows[0]]
    return garment


def fill_garments(table: pd.DataFrame) -> pd.Series:
    """The garment of every row, where ``counterfactual_of`` tells one that ``garment`` does not.

    A counterfactual and all photos of the item that it was made from are one garment, called by
    that item unless one of them has a garment already. Distorted views have none.

    Args:
        table: ``item``, ``counterfactual_of``, ``garment`` and ``view``; each may be missing.

    Returns:
        Nullable text, ``(N,)``, with the table's index.
    """
    nothing = pd.Series(pd.NA, table.index, dtype="string")
    item, made_from, given = (
        table[column].astype("string") if column in table else nothing
        for column in ("item", "counterfactual_of", "garment")
    )
    original = made_from.fillna(item.where(item.isin(made_from.dropna())))
    if "view" in table:
        original = original.mask((table["view"] != 0).fillna(True).astype(bool))
    known = given.groupby(original).transform("first")
    return given.fillna(known).fillna(original).rename("garment")


def garment_note(table: pd.DataFrame) -> list[str]:
    """How many garments the table has, and where they stand; nothing where there is none.

    Args:
        table: ``garment`` and ``split``.
    """
    found = table[table["garment"].notna()]
    if found.empty:
        return []
    of = found.groupby("split")["garment"].nunique()
    return [
        f"{found['garment'].nunique()} garment(s) in several classes, {len(found)} photos: "
        f"{of.get('val', 0)} validate, {of.get('evaluation', 0)} are evaluated, "
        f"{of.get('train', 0)} train"
    ]
