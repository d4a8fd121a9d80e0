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
# # Inspect the embedding spaces
#
# What the embedders of a run have learned (Figure 3 of the paper): in the space of a type its
# classes are clusters, and an edited feature moves to the wanted one there and nowhere else. The
# only parameter is the run's folder.

# %% tags=["parameters"]
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch

from flam_pl import open_run
from flam_pl.datasets.inspection import edits_cannot_be_evaluated
from flam_pl.errors import FlamError
from flam_pl.experiments.paper import evaluation_set
from flam_pl.reports.paper import spaces

RUN = os.environ.get("FLAM_PL_RUN", "../runs/wardrobe")
IMAGES, EDITED = 800, 100

# %%
# %matplotlib inline
plt.rcParams["text.parse_math"] = False  # a class may be named $0_$
opened = open_run(RUN)
run, trained = opened.run, opened.trained
schema, embedders, flam = trained.schema, trained.embedders, trained.methods["flam"].editor
data, _ = evaluation_set(run)
if not len(data.labels):
    raise FlamError(edits_cannot_be_evaluated(run.catalog))

# %% [markdown]
# ## How well the classes are told apart
#
# The share of the evaluation images, which no training has seen, whose nearest dictionary vector
# is their class.

# %%
with torch.inference_mode():
    right = embedders.classify(embedders(data.features)).numpy() == data.labels
pd.DataFrame({"share right": right.mean(axis=0).round(3)}, index=schema.types)

# %% [markdown]
# ## The features themselves
#
# One map (t-SNE) of images drawn at random, colored by each type in turn: what dominates the plain
# search shows here.

# %%
some = torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(0))[:IMAGES]
points = spaces.place(data.features[some], seed=0)
figure, axes = plt.subplots(1, len(schema.types), figsize=(4.3 * len(schema.types), 5))
for t, name in enumerate(schema.types):
    spaces.draw_map(figure.axes[t], points, data.labels[some, t], schema.of(name))
    figure.axes[t].set_title(f"features, colored by {name}")

# %% [markdown]
# ## The embedding spaces, and edits in them
#
# Each type has a space and a map of its own. The crosses are images that were edited to one class
# of one type: in its space they gather at that class, in the others they keep their spread.

# %%
settings = replace(run.config.figures, features=IMAGES, manipulated=EDITED)
found = spaces.edit_to_one_class(flam, embedders, data, settings, seed=0)
spaces.draw(found, seed=0)

# %% [markdown]
# The same as numbers, for the images that were edited: how far from the class that each of them
# should have (mean cosine distance), and how far apart.

# %%
by_space = spaces.numbers(found)["spaces"]
pd.DataFrame(
    {
        (number, when): {name: by_space[name][when][number] for name in by_space}
        for number in ("distance_to_wanted", "spread")
        for when in ("before", "after")
    }
).round(2)
