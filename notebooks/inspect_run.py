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
# # Inspect a run
#
# How well the searches of a run do, what its training looked like, what an edited search finds,
# and where it fails. The only parameter is the run's folder.

# %% tags=["parameters"]
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image, Markdown, display

from flam_pl import open_run
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.reports.examples import Search, choose_examples
from flam_pl.reports.measurements import Measurements
from flam_pl.reports.pictures import draw_searches
from flam_pl.reports.tables import short_table, tables_of
from flam_pl.retrieval.retriever import Retriever

RUN = os.environ.get("FLAM_PL_RUN", "../runs/wardrobe")

# %%
# %matplotlib inline
plt.rcParams["text.parse_math"] = False  # a class may be named $0_$
folder = Path(RUN)
report = folder / "report"
found = Measurements.of([json.loads((report / "metrics.json").read_text())])

# %% [markdown]
# ## How well it retrieves and edits
#
# The values with their 95 % intervals stand below; `no edit` and `arithmetic` are what FLAM must
# beat.

# %%
for table in [short_table(found), *tables_of(found)]:
    display(Markdown(table.markdown(3)))

# %% [markdown]
# ## Which types of edits are hard
#
# T@20 by the type that is edited, with and without the manipulator.

# %%
rows = found.part("edits", measure="T@20")
rows = rows[~rows["group"].isin(["macro"])]
if len(rows):
    by_type = rows.pivot(index="group", columns="title", values="value")
    axis = by_type.plot.bar(rot=0, ylabel="T@20", figsize=(8, 3))
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# ## Training
#
# cosine(x, x-hat) near 1 says that the way back is found, but a generator that does nothing has it
# too: cosine(x, x-tilde) must fall well below 1, and T@20 must leave the dotted no-edit line.

# %%
for stage in ("backbone", "embedder", "manipulator"):
    curve = report / "figures" / f"training-{stage}.png"
    if curve.exists():
        display(Markdown(f"### {stage}"), Image(str(curve)))

# %% [markdown]
# ## Edited searches
#
# Drawn at random. Blue: the query; left its plain search, right its edited one; green: an image
# with exactly the wanted combination.

# %%
for picture in sorted((report / "figures").glob("edits-*.png")):
    display(Image(str(picture)))

# %% [markdown]
# ## Failures
#
# Fifty edits of each type, drawn at random among those that the gallery can answer, sorted by
# how bad they are: by the rank of the first image with exactly the wanted combination.

# %%
opened = open_run(folder)
run, trained = opened.run, opened.trained
rows = run.catalog.edit_rows("evaluation")
data = EvaluationSet.of(run.catalog, run.data.features, rows)
plain, *_, best = trained.rows()
paths = [run.catalog.paths[row] for row in rows]
index = Retriever.of(best, data.features)
failures = []
for example in choose_examples(data, 50, seed=0):
    search = Search.run(example, data, index, len(data.features))
    failures.append((search.hits.index(True) + 1, example))
failures.sort(key=lambda pair: -pair[0])

# %%
ranks = pd.DataFrame(
    [(example.target_type, rank) for rank, example in failures],
    columns=["edited", "rank of the first hit"],
)
ranks.groupby("edited").describe(percentiles=[0.5, 0.9]).round(1)

# %% [markdown]
# The six worst. Is the edit not made, is too much of the garment lost, or is it the label that is
# wrong? (Left the plain search, right the edited one; no green means no hit among the first five.)

# %%
for rank, example in failures[:6]:
    print(f"first hit at rank {rank} of {len(data.labels)}: {example.title(data)}")

# %%
if failures:
    sides = [(found.title(plain.name), Retriever.of(plain, data.features))]
    sides.append((found.title(best.name), index))
    display(draw_searches(paths, data, sides, [e for _, e in failures[:6]]))
