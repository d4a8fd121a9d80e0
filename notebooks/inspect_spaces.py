# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#     text_representation:
#       extension: .py
#       format_name: percent
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
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.manifold import TSNE

from flam_pl.editing.evaluation import EvaluationSet
from flam_pl.evaluating import open_folder

RUN = os.environ.get("FLAM_PL_RUN", "runs/wardrobe")
IMAGES, EDITED = 800, 100

# %%
# %matplotlib inline
if Path.cwd().name == "notebooks":  # a run's settings name folders as seen from the repository's
    os.chdir("..")
run, trained = open_folder(Path(RUN))
schema, embedders, flam = trained.schema, trained.embedders, trained.editors()[-1]
rows = run.catalog.rows("evaluation", dense=True)
rows = np.random.default_rng(0).permutation(rows)[:IMAGES]
data = EvaluationSet.of(run.catalog, run.data.features, rows)

# %% [markdown]
# ## How well the classes are told apart
#
# The share of these images, which no training has seen, whose nearest dictionary vector is their
# class.

# %%
with torch.inference_mode():
    embeddings = embedders(data.features)
right = embedders.classify(embeddings).numpy() == data.labels
pd.DataFrame({"share right": right.mean(axis=0).round(3)}, index=schema.types)


# %% [markdown]
# ## The features themselves
#
# One map (t-SNE), colored by each type in turn: what dominates the plain search shows here.


# %%
def place(vectors: torch.Tensor) -> np.ndarray:
    """A map of the vectors ``(N, D)`` in the plane, ``(N, 2)``."""
    perplexity = min(30, (len(vectors) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(vectors.numpy())


def show_classes(axis: plt.Axes, points: np.ndarray, t: int) -> None:
    """The map, with a color for each class of the t-th type."""
    for c, name in enumerate(schema.of(schema.types[t])):
        axis.scatter(*points[data.labels[:, t] == c].T, s=8, color=f"C{c % 10}", label=name)
    axis.set(xticks=[], yticks=[], title=schema.types[t])
    axis.legend(fontsize=6, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.02))


points = place(data.features.float())
figure, axes = plt.subplots(1, len(schema.types), figsize=(5 * len(schema.types), 5), squeeze=False)
for t, axis in enumerate(axes.flat):
    show_classes(axis, points, t)

# %% [markdown]
# ## The embedding spaces, and edits in them
#
# Each type has a space and a map of its own. The crosses are images that were edited to one class
# of the first type: in its space they gather at that class, in the others they keep their spread.

# %%
edited_type = schema.types[0]
counts = np.bincount(data.labels[:, 0])
wanted = schema.of(edited_type)[int(counts.argmax())]
others = torch.from_numpy(np.flatnonzero(data.labels[:, 0] != counts.argmax())[:EDITED])
with torch.inference_mode():
    after = embedders(flam.edit(data.features[others], edited_type, wanted))

# %%
figure, axes = plt.subplots(1, len(schema.types), figsize=(5 * len(schema.types), 5), squeeze=False)
for t, axis in enumerate(axes.flat):
    points = place(torch.cat([embeddings[:, t], after[:, t]]))
    show_classes(axis, points[: len(data.labels)], t)
    axis.scatter(*points[len(data.labels) :].T, marker="x", lw=0.8, s=14, color="black")
_ = figure.suptitle(f"crosses: {len(others)} images edited to {edited_type} {wanted}")

# %% [markdown]
# The same as numbers: the share of the edited images that the embedders take for the class that
# each of them should have now.

# %%
goal = data.labels[others]
goal[:, 0] = schema.index(edited_type, wanted)
reached = (embedders.classify(after).numpy() == goal).mean(axis=0)
before = (embedders.classify(embeddings[others]).numpy() == goal).mean(axis=0)
pd.DataFrame({"before the edit": before.round(3), "after": reached.round(3)}, index=schema.types)
