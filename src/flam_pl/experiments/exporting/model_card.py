"""The model card of a bundle."""

from __future__ import annotations

from tabulate import tabulate

from flam_pl.attributes import AttributeSchema
from flam_pl.serving.bundle import Contents

MEANINGS = {
    "T@1": "edits whose first result has exactly the wanted classes",
    "T@10": "the same among the first ten results",
    "T@50": "the same among the first fifty",
    "P@10": "share of the first ten results with the wanted class",
    "as_it_was@10": "share of the first ten results that ignore the edit",
    "CF@1": "edits that find the same garment, changed, first",
    "CF@10": "the same among the first ten results",
    "R@1": "searches without an edit that find the item first",
}

TEXT = """---
library_name: flam-pl
tags: [image-retrieval, fashion]
license: apache-2.0
---

# {name}: fashion search with edits

A photo becomes one vector. An edit such as "color=red" changes the query's vector, never the image.
The method is {row}, trained on the data set {data}.

```python
from flam_pl import Searcher
searcher = Searcher.load("this folder", gallery="shop.db")
searcher.search("photo.jpg", text="in red")
```

## Attributes

{attributes}

## Measured on the evaluation photos of {data}

{figures}

Brackets hold the 95 % interval by item. The figures are of that data set: other photos need their
own evaluation (`flam-pl evaluate run={name} data.root=... report=other`).

## Files

`config.json` has the architecture, the weights of the score and the calibration; each network is a
`.safetensors` file; `manifest.json` has the SHA-256 of each file. No file is a pickle.
"""


def model_card(contents: Contents, schema: AttributeSchema, data: str) -> str:
    rows = [
        [name, f"{of['value']:.3f}", interval(of), meaning]
        for name, meaning in MEANINGS.items()
        if (of := contents.figures.get(name)) and of["value"] is not None
    ]
    head = ["measure", "value", "interval", "meaning"]
    table = tabulate(rows, head, tablefmt="github", disable_numparse=True)
    classes = [f"- {name}: {', '.join(schema.of(name))}" for name in schema.types]
    return TEXT.format(
        name=contents.name,
        row=contents.row,
        data=data,
        attributes="\n".join(classes),
        figures=table if rows else "Not evaluated.",
    )


def interval(of: dict[str, float | None]) -> str:
    low, high = of.get("low"), of.get("high")
    return "" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
