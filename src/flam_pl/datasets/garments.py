"""One garment in several classes: photos that show what an edit should find."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pandas as pd

LARGEST = 6  # products that count as one garment; more of an equal name are a product line
RARE = 2  # a word is rare if at most so many names have it
SHADES = frozenset({"light", "dark"})


def find_garments(table: pd.DataFrame) -> pd.Series:
    """The garment of every product that is sold in several colors.

    Products of one gender, shape and name, apart from words of color, are one garment if some word
    of the name is rare. The first product's item names it.

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
    names_with = Counter(word for name in set(names) for word in set(name))
    products = defaultdict(list)
    keys = zip(table["gender"].fillna(""), table["shape"].fillna(""), names, strict=True)
    for row, key in enumerate(keys):
        products[key].append(row)
    garment = pd.Series(pd.NA, table.index, dtype="string", name="garment")
    for (_, _, name), rows in products.items():
        several = 2 <= len(rows) <= LARGEST and table["color"].iloc[rows].nunique() > 1
        if several and any(names_with[word] <= RARE for word in name):
            garment.iloc[rows] = table["item"].iloc[rows[0]]
    return garment


def fill_garments(table: pd.DataFrame) -> pd.Series:
    """The garment of every row: counterfactuals and all photos of their original share one."""
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
    """A sentence that counts the garments of a split table, if there are any."""
    found = table[table["garment"].notna()]
    if found.empty:
        return []
    of = found.groupby("split")["garment"].nunique()
    return [
        f"{found['garment'].nunique()} garment(s) in several classes, {len(found)} photos: "
        f"{of.get('val', 0)} validate, {of.get('evaluation', 0)} are evaluated, "
        f"{of.get('train', 0)} train"
    ]
