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
# # Inspect a run
#
# How well the searches of a run do, what its training looked like, and what an edited search
# finds. The only parameter is the run's folder.

# %% tags=["parameters"]
import json
import os
from pathlib import Path

import pandas as pd
from IPython.display import Image, Markdown, display

from flam_pl.reports import tables

RUN = os.environ.get("FLAM_PL_RUN", "../runs/wardrobe")

# %%
run = Path(RUN)
metrics = json.loads((run / "report" / "metrics.json").read_text())

# %% [markdown]
# ## How well it retrieves and edits
#
# Every figure has its 95 % interval; `no edit` and `arithmetic` are what FLAM must beat.

# %%
for title, explanation, table in tables.sections(metrics):
    display(Markdown(f"### {title}\n\n{explanation}\n\n{table}"))

# %% [markdown]
# ## Which types of edits are hard
#
# T@20 by the type that is edited, with and without the manipulator.

# %%
by_type = pd.DataFrame(
    {
        method: {group: of["T@20"]["value"] for group, of in groups.items()}
        for method, groups in metrics["fam"].items()
    }
)
axis = by_type.plot.bar(rot=0, ylabel="T@20", figsize=(7, 3), title="by the type that is edited")

# %% [markdown]
# ## Training
#
# cosine(x, x-hat) near 1 says that the way back is found, but a generator that does nothing has it
# too: cosine(x, x-tilde) must fall well below 1, and T@20 must leave the dotted no-edit line.

# %%
for stage in ("backbone", "embedder", "manipulator"):
    curve = run / "report" / "figures" / f"training-{stage}.png"
    if curve.exists():
        display(Markdown(f"### {stage}"), Image(str(curve)))

# %% [markdown]
# ## Edited searches
#
# Drawn at random. Blue: the query; left its plain search, right its edited one; green: an image
# with exactly the wanted combination.

# %%
for picture in sorted((run / "report" / "figures").glob("edits-*.png")):
    display(Image(str(picture)))
