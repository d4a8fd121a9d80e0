# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Inspect a data set
#
# What the images of a run are: how many, with which labels, what they look like, and which
# combinations of classes hardly exist. The only parameter is the run's folder.

# %% tags=["parameters"]
import os
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

from flam_pl import open_run
from flam_pl.attributes import UNLABELLED
from flam_pl.datasets.inspection import class_counts, describe
from flam_pl.reports.pictures import Tile, draw_tiles

RUN = os.environ.get("FLAM_PL_RUN", "../runs/wardrobe")

# %%
# %matplotlib inline
plt.rcParams["text.parse_math"] = False  # a class may be named $0_$
catalog = open_run(RUN).catalog
types = catalog.schema.types

# %% [markdown]
# ## Counts
#
# Images, items and labels by split, and what the reader had to leave out.

# %%
print(describe(catalog))

# %% [markdown]
# ## Classes
#
# A class that training hardly shows is one that edits will hardly reach.

# %%
training = catalog.rows("train")
figure, axes = plt.subplots(1, len(types), figsize=(4 * len(types), 3.5), squeeze=False)
for axis, (kind, counts) in zip(axes.flat, class_counts(catalog, training).items(), strict=True):
    pd.Series(counts).sort_values().plot.barh(ax=axis, title=f"{kind}: training images")
figure.tight_layout()

# %% [markdown]
# ## Examples
#
# One image of each class, drawn at random among all splits.

# %%
rng = np.random.default_rng(0)
for t, kind in enumerate(types):
    tiles = []
    for c, name in enumerate(catalog.schema.of(kind)):
        rows = np.flatnonzero(catalog.labels[:, t] == c)
        if len(rows):
            tiles.append(Tile(catalog.paths[rng.choice(rows)], title=f"{kind} {name}"))
    display(draw_tiles([tiles[start : start + 8] for start in range(0, len(tiles), 8)]))

# %% [markdown]
# ## Pairs of classes
#
# Training images that are labelled with both. An edit to a pair that has none must be guessed from
# the two classes.

# %%
photos, parts = catalog.table.iloc[training], []
for kind, other in combinations(types, 2):
    classes, others = catalog.schema.of(kind), catalog.schema.of(other)
    table = pd.crosstab(photos[kind], photos[other]).reindex(classes, columns=others, fill_value=0)
    by_name = table.sort_index().sort_index(axis="columns")
    display(by_name.style.background_gradient("Blues", axis=None))
    part = table.stack().rename_axis(["class", "other class"]).reset_index(name="images")
    parts.append(part.assign(**{"type": kind, "other type": other}))
columns = ["type", "class", "other type", "other class", "images"]
pairs = pd.concat(parts)[columns].sort_values("images", kind="stable")

# %% [markdown]
# ## Combinations that hardly exist
#
# The scarcest pairs that do exist, how many pairs do not, and how many images share one
# combination of all types: an edit can only be answered by a combination that some image has.

# %%
print(f"{(pairs['images'] == 0).sum()} of {len(pairs)} pairs of classes have no training image")
display(pairs[pairs["images"] > 0].head(15).style.hide(axis="index"))

# %%
labels = catalog.labels[(catalog.labels != UNLABELLED).all(axis=1)]
images = pd.Series(np.unique(labels, axis=0, return_counts=True)[1])
print(
    f"{len(images)} of {np.prod(catalog.schema.sizes)} combinations have an image with all labels"
)
axis = (
    images.value_counts()
    .sort_index()
    .plot.bar(figsize=(9, 3), xlabel="images of a combination", ylabel="combinations")
)
