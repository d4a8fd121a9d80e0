"""The networks of a bundle: they read a feature's posteriors and make query vectors.

Each row of a batch has edits of its own. ``retrieval.vectors.SearchVectors`` makes the same
vectors, with one list of edits for all rows. T attribute types, C classes of all types, D feature
dimensions. A *direction* ``(k,)`` tells an editor what is wanted: shares, or an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Generator
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.vectors import ScoreWeights, log_posteriors, moved_features

if TYPE_CHECKING:
    from flam_pl.models.backbone import Backbone

BACKBONE = "backbone"


class NoEditor(nn.Module):
    """Leaves the feature as it is."""

    reads_embeddings = False  # whether ``directions`` are the embeddings

    def __init__(self, schema: AttributeSchema, embedders: AttributeEmbedders) -> None:
        super().__init__()
        self.schema, self.embedders = schema, embedders

    def table(self) -> Tensor:
        """The direction of each class, ``(T, most classes, k)``: here one-hot shares."""
        most = max(self.schema.sizes)
        return torch.eye(most).expand(len(self.schema.sizes), most, most)

    def directions(self, features: Tensor) -> Tensor:
        """Directions ``(B, T, k)`` of example features ``(B, D)``."""
        most = max(self.schema.sizes)
        shares = [F.pad(p, (0, most - p.shape[1])) for p in self.embedders.read(features)]
        return torch.stack(shares, dim=1)

    def forward(self, features: Tensor, directions: Tensor, strength: Tensor) -> Tensor:
        """Features ``(B, D)``, directions ``(B, T, k)``, strengths ``(B, T)`` -> ``(B, D)``."""
        return features


class ArithmeticEditor(NoEditor):
    """``methods.arithmetic``: adds differences of class means."""

    def __init__(
        self, schema: AttributeSchema, embedders: AttributeEmbedders, times: float
    ) -> None:
        super().__init__(schema, embedders)
        self.times = times

    def forward(self, features: Tensor, directions: Tensor, strength: Tensor) -> Tensor:
        own, edited = self.embedders.classify(self.embedders(features)), features
        for t, embedder in enumerate(self.embedders.by_type):
            means = embedder.class_means
            wanted = directions[:, t, : len(means)] @ means
            edited = edited + self.times * strength[:, t, None] * (wanted - means[own[:, t]])
        return edited


class SlerpEditor(NoEditor):
    """``methods.slerp``: turns the feature towards the wanted class."""

    def __init__(self, schema: AttributeSchema, embedders: AttributeEmbedders, part: float) -> None:
        super().__init__(schema, embedders)
        self.part = part

    def forward(self, features: Tensor, directions: Tensor, strength: Tensor) -> Tensor:
        edited = features
        for t, embedder in enumerate(self.embedders.by_type):
            means = embedder.class_means
            end = directions[:, t, : len(means)] @ means - means.mean(dim=0)
            turned = self.turned(edited, end, self.part * strength[:, t, None])
            edited = torch.where(strength[:, t, None] > 0, turned, edited)
        return edited

    @staticmethod
    def turned(start: Tensor, end: Tensor, part: Tensor) -> Tensor:
        a, b = F.normalize(start, dim=-1), F.normalize(end, dim=-1)
        along = (a * b).sum(dim=-1, keepdim=True).clamp(-1, 1)
        across, angle = F.normalize(b - along * a, dim=-1), part * torch.acos(along)
        length = start.norm(dim=-1, keepdim=True)
        return (torch.cos(angle) * a + torch.sin(angle) * across) * length


class GeneratorEditor(NoEditor):
    """``methods.generator``: x~ = G(x, e), once per edited type, in the order of the schema."""

    reads_embeddings = True

    def __init__(
        self, schema: AttributeSchema, embedders: AttributeEmbedders, generator: Generator
    ) -> None:
        super().__init__(schema, embedders)
        self.generator = generator

    def table(self) -> Tensor:
        most = max(self.schema.sizes)
        vectors = [of.dictionary for of in self.embedders.by_type]
        return torch.stack([F.pad(d, (0, 0, 0, most - len(d))) for d in vectors])

    def directions(self, features: Tensor) -> Tensor:
        return self.embedders(features)

    def forward(self, features: Tensor, directions: Tensor, strength: Tensor) -> Tensor:
        space, types = self.embedders.space, len(self.schema.sizes)
        length = features.norm(dim=1, keepdim=True)
        codes = torch.eye(types, dtype=features.dtype, device=features.device)
        edited, changed = features, torch.zeros_like(length, dtype=torch.bool)
        traced = torch.compiler.is_compiling() or torch._C._is_tracing()
        for t in range(types):
            active = strength[:, t, None] > 0
            if not traced and not bool(active.any()):  # an exported file computes every type
                continue
            start = torch.where(changed, F.normalize(edited, dim=1) * length, edited)
            code = codes[t] + torch.zeros_like(length)  # (B, T), which exporters can follow
            condition = torch.cat([directions[:, t], code], dim=1)
            after = space.inverse(self.generator(space(start), condition))
            edited = torch.where(active, blended(start, after, strength[:, t, None]), edited)
            changed = changed | active
        return edited


def blended(before: Tensor, after: Tensor, strength: Tensor) -> Tensor:
    """``editing.targets.blend`` with a strength per row, ``(B, 1)``."""
    direction = torch.lerp(F.normalize(before, dim=-1), F.normalize(after, dim=-1), strength)
    first, last = before.norm(dim=-1, keepdim=True), after.norm(dim=-1, keepdim=True)
    part = F.normalize(direction, dim=-1) * torch.lerp(first, last, strength)
    return torch.where(strength == 1, after, part)


class PosteriorNet(nn.Module):
    """Features ``(B, D)`` -> posteriors of all classes ``(B, C)``."""

    def __init__(
        self, embedders: AttributeEmbedders, classifiers: ConcatClassifiers | None, hardened: bool
    ) -> None:
        super().__init__()
        self.embedders, self.classifiers, self.hardened = embedders, classifiers, hardened

    def forward(self, features: Tensor) -> Tensor:
        return self.of(features, self.embedders(features))

    def of(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """``forward`` with known embeddings ``(B, T, k)`` of the features."""
        schema, read = self.embedders.schema, self.embedders.probabilities(embeddings)
        found = Posteriors(schema, lambda _: read)
        if self.classifiers is not None:
            found = found.averaged_with(Posteriors.of_classifiers(self.classifiers))
        found = found.hardened() if self.hardened else found
        return torch.cat(found.read(features), dim=1)


class Reader(nn.Module):
    """Features ``(B, D)`` -> posteriors ``(B, C)`` and the editor's directions ``(B, T, k)``."""

    def __init__(self, posteriors: PosteriorNet, editor: NoEditor) -> None:
        super().__init__()
        self.posteriors, self.editor = posteriors, editor
        # one pass through the embedders serves both
        self.shared = editor.reads_embeddings and editor.embedders is posteriors.embedders

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        if self.shared:
            embeddings = self.posteriors.embedders(features)
            return self.posteriors.of(features, embeddings), embeddings
        return self.posteriors(features), self.editor.directions(features)


class QueryMaker(nn.Module):
    """Makes query vectors ``(B, D + C)``, as ``SearchVectors.queries``."""

    def __init__(self, editor: NoEditor, embedders: AttributeEmbedders, of: ScoreWeights) -> None:
        """``embedders``: for the class means of ``moved``, see ``ScoreWeights``."""
        super().__init__()
        self.editor, self.embedders, self.weights = editor, embedders, of
        self.sizes = list(editor.schema.sizes)

    def forward(
        self, features: Tensor, own: Tensor, wanted: Tensor, directions: Tensor, strength: Tensor
    ) -> Tensor:
        """The query vectors.

        Args:
            own: posteriors of the query ``(B, C)``.
            wanted: shares of the wanted classes ``(B, C)``; unused in types without an edit.
            directions: of the wanted classes ``(B, T, k)``.
            strength: of the edits ``(B, T)``, 0 for a type without an edit.
        """
        w, head = self.weights, F.normalize(self.editor(features, directions, strength), dim=1)
        strongest = strength.amax(dim=1, keepdim=True)
        own_by_type, sizes = torch.split(own, self.sizes, dim=1), self.sizes
        pairs = zip(own_by_type, torch.split(wanted, sizes, dim=1), strict=True)
        tail, after = [], []
        for t, (mine, asked) in enumerate(pairs):
            of_type = strength[:, t, None]
            other = w.others * strongest * mine
            tail.append(torch.where(of_type > 0, w.target * of_type * asked, other))
            after.append(torch.where(of_type > 0, torch.lerp(mine, asked, of_type), mine))
        if w.moved:
            means = [embedder.class_means for embedder in self.embedders.by_type]
            whole = moved_features(features, own_by_type, after, means)
            head = head + w.moved * strongest * F.normalize(whole, dim=1)
        return torch.cat([head, *tail], dim=1)


class Networks(nn.Module):
    """Every network of a bundle that takes features."""

    def __init__(self, reader: Reader, query: QueryMaker) -> None:
        super().__init__()
        self.reader, self.query = reader, query

    def vectors(self, features: Tensor, posteriors: Tensor) -> Tensor:
        """Gallery vectors ``(B, D + C)``."""
        return torch.cat([F.normalize(features, dim=1), log_posteriors([posteriors])], dim=1)


def build(config: Mapping[str, Any], schema: AttributeSchema) -> tuple[Networks, dict[str, Any]]:
    """The networks of a bundle's ``config.json``, without weights, and each network by its name.

    Parts share a network of one name. ``build_backbone`` builds the backbone.
    """
    kinds: dict[str, Callable[[Any], Any]] = {
        "embedders": lambda shape: AttributeEmbedders(schema, **shape),
        "classifiers": lambda shape: ConcatClassifiers(schema, **shape),
        "generator": lambda shape: Generator(**shape),
    }
    parts = {
        name: kinds[of["kind"]](dict(of["architecture"]))
        for name, of in config["networks"].items()
        if name != BACKBONE
    }
    of_editor, of_posteriors = config["editor"], config["posteriors"]
    editor = make_editor(of_editor, schema, parts)
    embedders = parts[of_posteriors["embedders"]]
    classifiers = parts.get(of_posteriors["classifiers"] or "")
    posteriors = PosteriorNet(embedders, classifiers, of_posteriors["hardened"])
    query = QueryMaker(editor, embedders, ScoreWeights(**config["weights"]))
    return Networks(Reader(posteriors, editor), query), parts


def build_backbone(config: Mapping[str, Any]) -> Backbone:
    """The backbone of a bundle's ``config.json``, without weights."""
    from flam_pl.models.backbone import Backbone  # timm takes 2 s to import

    return Backbone(**config["networks"][BACKBONE]["architecture"])


def make_editor(
    of: Mapping[str, Any], schema: AttributeSchema, parts: Mapping[str, Any]
) -> NoEditor:
    embedders = parts[of["embedders"]]
    if of["kind"] == "generator":
        return GeneratorEditor(schema, embedders, parts[of["generator"]])
    if of["kind"] == "arithmetic":
        return ArithmeticEditor(schema, embedders, of["times"])
    if of["kind"] == "slerp":
        return SlerpEditor(schema, embedders, of["part"])
    return NoEditor(schema, embedders)
