"""A small bundle with random networks, and the editors that the training would make of them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.flam import Flam
from flam_pl.methods.slerp import Slerp
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Generator, Manipulator
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.vectors import ScoreWeights, SearchVectors
from flam_pl.serving.bundle import Bundle, Contents, write_bundle

SCHEMA = AttributeSchema(
    {
        "color": ("red", "blue", "black", "navy blue"),
        "pattern": ("plain", "striped", "dots"),
        "sleeve": ("short", "long"),
    }
)
DIMENSION, WORKING, SIZE = 16, 12, 32
EDITORS = ("none", "arithmetic", "slerp", "generator")
WEIGHTS = ScoreWeights(target=0.3, others=0.1, moved=0.5)
SHAPES: dict[str, dict[str, Any]] = {
    "backbone": {"model": "test_resnet", "feature_dim": DIMENSION, "image_size": SIZE},
    "embedders": {
        "dimension": DIMENSION,
        "working_dim": WORKING,
        "embedding_dim": 5,
        "hidden": 24,
        "dropout": 0.3,
        "members": 2,
    },
    "classifiers": {"dimension": DIMENSION, "working_dim": None, "width": 10, "hidden": None},
    "generator": {
        "dimension": WORKING,
        "condition": 2 * 5 + len(SCHEMA.types),
        "hidden": 24,
        "depth": 2,
        "gated": True,
    },
}


def made_parts(seed: int = 0) -> dict[str, nn.Module]:
    """Networks by name, with class means, and posteriors that are far from even."""
    torch.manual_seed(seed)
    embedders = AttributeEmbedders(SCHEMA, **SHAPES["embedders"])
    features = 3 * torch.randn(60, DIMENSION) + 1
    embedders.fit(features, torch.stack([torch.randint(n, (60,)) for n in SCHEMA.sizes], dim=1))
    classifiers = ConcatClassifiers(SCHEMA, **SHAPES["classifiers"])
    classifiers.space.fit(features)
    parts = {
        "backbone": Backbone(**SHAPES["backbone"]),
        "embedders": embedders,
        "classifiers": classifiers,
        "generator": Generator(**SHAPES["generator"]),
    }
    return {name: part.eval().requires_grad_(False) for name, part in parts.items()}


def made_contents(
    editor: str = "generator", both: bool = False, hardened: bool = False, **changes: Any
) -> Contents:
    """``both``: two classifiers are averaged."""
    names = ["backbone", "embedders"]
    names += ["generator"] if editor == "generator" else []
    names += ["classifiers"] if both else []
    options = {"arithmetic": {"times": 1.5}, "slerp": {"part": 0.4}}.get(editor, {})
    options |= {"generator": "generator"} if editor == "generator" else {}
    contents = Contents(
        name="made",
        row=editor,
        networks={name: {"kind": name, "architecture": SHAPES[name]} for name in names},
        editor={"kind": editor, "embedders": "embedders", **options},
        posteriors={
            "embedders": "embedders",
            "classifiers": "classifiers" if both else None,
            "hardened": hardened,
        },
        weights={"target": WEIGHTS.target, "others": WEIGHTS.others, "moved": WEIGHTS.moved},
        preprocess={"size": SIZE, "fit": "pad"},
        dimension=DIMENSION,
        calibration={
            "attribute": [0.8, -0.3],
            "combination": [1.0, 0.0],
            "answer": [1.2, 0.1],
            "threshold": 0.4,
        },
        images=[[10] * n for n in SCHEMA.sizes],
        labelled=[[[10] * len(SCHEMA.types)] * n for n in SCHEMA.sizes],
        figures={},
        versions={},
    )
    return replace(contents, **changes)


def made_bundle(
    folder: Path,
    editor: str = "generator",
    parts: dict[str, nn.Module] | None = None,
    synonyms: dict[str, str] | None = None,
    **changes: Any,
) -> Bundle:
    contents, parts = made_contents(editor, **changes), parts or made_parts()
    tensors = {
        name: {key: value.contiguous().numpy() for key, value in parts[name].state_dict().items()}
        for name in contents.networks
    }
    synonyms = {"navy": "navy blue"} if synonyms is None else synonyms
    return write_bundle(folder, contents, SCHEMA, synonyms, tensors, "# card")


def trained_vectors(contents: Contents, parts: Any) -> SearchVectors:
    """What ``retrieval`` and ``methods`` make of the same networks."""
    embedders = parts["embedders"]
    manipulator = Manipulator(
        SCHEMA, WORKING, 10, hidden=24, gated=True, discriminator_hidden=8, noise=0.0
    ).eval()
    manipulator.generators[0] = parts["generator"]
    editors: dict[str, Editor] = {
        "none": NoEdit(),
        "arithmetic": Arithmetic(embedders, 1.5),
        "slerp": Slerp(embedders, 0.4),
        "generator": Flam(embedders, manipulator),
    }
    posteriors = Posteriors.of_embedders(embedders)
    if contents.posteriors["classifiers"]:
        posteriors = posteriors.averaged_with(Posteriors.of_classifiers(parts["classifiers"]))
    if contents.posteriors["hardened"]:
        posteriors = posteriors.hardened()
    editor = editors[contents.editor["kind"]]
    return SearchVectors(editor, posteriors, ScoreWeights(**contents.weights))


def made_features(count: int, seed: int = 1) -> Tensor:
    return 3 * torch.randn(count, DIMENSION, generator=torch.Generator().manual_seed(seed)) + 1


def drawn_photo(seed: int) -> bytes:
    """A PNG of random blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks).resize((40, 48), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()
