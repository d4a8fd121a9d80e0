"""Figure 3: maps of the embedding spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from torch import Tensor

from flam_pl.attributes import AttributeSchema, SchemaError
from flam_pl.config.root import FiguresConfig
from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.reports.pictures import panels


@dataclass(frozen=True)
class Spaces:
    """Embeddings of N images, and of M of these images after an edit."""

    schema: AttributeSchema
    target_type: str
    target_class: str
    labels: np.ndarray  # (N, types)
    edited: np.ndarray  # positions of the edited images, (M,)
    before: Tensor  # (N, types, k)
    after: Tensor  # (M, types, k)
    wanted: Tensor  # dictionary vectors of the classes after the edit, (M, types, k)


@torch.inference_mode()
def edit_to_one_class(
    editor: Editor,
    embedders: AttributeEmbedders,
    data: EvaluationSet,
    settings: FiguresConfig,
    seed: int,
) -> Spaces:
    """Embed random images; edit some to ``figures.target_class``, by default the most frequent.

    Raises SchemaError for an unknown ``figures.target_class``.
    """
    schema = data.schema
    kind = settings.target_type if settings.target_type in schema.types else schema.types[0]
    t = schema.types.index(kind)
    shown = np.random.default_rng(seed).permutation(len(data.labels))[: settings.features]
    labels, features = data.labels[shown], data.features[torch.from_numpy(shown)]
    c = int(np.bincount(labels[:, t], minlength=schema.sizes[t]).argmax())
    if settings.target_class is not None:
        try:
            c = schema.index(kind, settings.target_class)
        except SchemaError as error:
            raise SchemaError(f"figures.target_class: {error}") from error
    others = np.flatnonzero(labels[:, t] != c)
    edited = others[: min(settings.manipulated, len(shown) // 3)]
    goals = torch.from_numpy(labels[edited])
    goals[:, t] = c
    wanted = [embedders.of(name).dictionary[goals[:, i]] for i, name in enumerate(schema.types)]
    name, before = schema.of(kind)[c], embedders(features)
    after = embedders(editor.edit(features[torch.from_numpy(edited)], [Edit(kind, name)]))
    return Spaces(schema, kind, name, labels, edited, before, after, torch.stack(wanted, dim=1))


def statistics(embeddings: Tensor, wanted: Tensor) -> dict[str, float]:
    """Of unit embeddings ``(M, k)``: their mean cosine distance to the wanted ones, and the trace
    of their covariance."""
    return {
        "distance_to_wanted": float(1 - (embeddings * wanted).sum(dim=1).mean()),
        "spread": float(embeddings.var(dim=0, correction=0).sum()),
    }


def numbers(spaces: Spaces) -> dict[str, Any]:
    """``statistics`` of the edited images in each space, before and after the edit."""
    of_edited = {"before": spaces.before[torch.from_numpy(spaces.edited)], "after": spaces.after}
    return {
        "target_type": spaces.target_type,
        "target_class": spaces.target_class,
        "images": len(spaces.labels),
        "edited": len(spaces.edited),
        "spaces": {
            name: {w: statistics(e[:, t], spaces.wanted[:, t]) for w, e in of_edited.items()}
            for t, name in enumerate(spaces.schema.types)
        },
    }


def place(vectors: Tensor, seed: int) -> np.ndarray:
    """t-SNE: vectors ``(N, D)`` -> ``(N, 2)``."""
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    tsne = TSNE(init="pca", perplexity=perplexity, random_state=seed, n_jobs=1)
    points: np.ndarray = tsne.fit_transform(vectors.float().numpy())
    return points


def draw(spaces: Spaces, seed: int) -> Figure:
    types, found = spaces.schema.types, numbers(spaces)["spaces"]
    figure, axes = panels(1, len(types), 4.3 * len(types), 5.6)
    for t, (axis, name) in enumerate(zip(axes[0], types, strict=True)):
        points = place(torch.cat([spaces.before[:, t], spaces.after[:, t]]), seed)
        draw_map(axis, points, spaces.labels[:, t], spaces.schema.of(name))
        before, after = found[name]["before"], found[name]["after"]
        changes = [f"{key} {before[key]:.2f} → {after[key]:.2f}" for key in before]
        axis.set_title("\n".join([f"embeddings of {name}", *changes]), fontsize=9)
    count, edit = len(spaces.edited), f"{spaces.target_type} {spaces.target_class}"
    figure.suptitle(f"{len(spaces.labels)} images; crosses: {count} of them, edited to {edit}")
    return figure


def draw_map(axis: Axes, points: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    """Dots for images with labels ``(N,)``, crosses for edited ones; ``points (N + M, 2)``."""
    own, edited = points[: len(labels)], points[len(labels) :]
    for c, (name, color) in enumerate(zip(classes, class_colors(classes), strict=True)):
        x, y = own[labels == c].T
        axis.scatter(x, y, s=11, color=color, edgecolors="#00000055", lw=0.3, label=name)
    if len(edited):
        x, y = edited.T
        axis.scatter(x, y, s=9, color="#111111", marker="x", lw=0.7, label="edited")
    axis.set(xticks=[], yticks=[])
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, fontsize=8, frameon=False)


def class_colors(classes: tuple[str, ...]) -> list[Any]:
    names: list[Any] = [name.lower().replace(" ", "").replace("-", "") for name in classes]
    if all(map(is_color_like, names)):
        return names
    return [colormaps["tab20"](c % 20) for c in range(len(classes))]
