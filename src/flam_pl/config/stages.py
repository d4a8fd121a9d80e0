"""Schemas of the three stages: config groups ``backbone``, ``embedder`` and ``manipulator``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from flam_pl.config.bounds import number, one_of
from flam_pl.config.pooling import LEVELS, POOLINGS


@dataclass
class BackboneConfig:
    """Stage 1: images -> features."""

    model: str = MISSING
    """Any model of timm."""
    weights: str = "none"
    """none | timm (downloaded) | imagenet-package (tf_efficientnet_lite0 only) | a local file."""
    image_size: int = number(224, least=1)
    fit: str = one_of("pad", "crop", "stretch")
    """How an image becomes square."""
    feature_dim: int | None = number(1024, least=1)
    """Dimension of the projection after pooling, or of the whitening; null: all channels."""
    pooling: str = one_of(*POOLINGS)
    """Feature map -> vector. spoc: the paper's. levels: spoc beside statistics of early feature
    levels, which see the color. cgd-SG, ...: several descriptors, by their first letters."""
    levels: int = number(3, least=1)
    """Number of early feature levels."""
    levels_weight: float = number(0.7, least=0)
    """Weight of the early levels; that of the last map is 1."""
    levels_window: float = number(0.6, above=0, most=1)
    """Share of each side of the early maps that is used, in the middle."""
    whitening: float | None = number(None, least=0)
    """Power of a whitening in place of the learned projection, measured on training photos. 1:
    SPoC's. 0: centring alone. null: none."""
    max_epochs: int = number(10, least=0)
    """0: a frozen backbone."""
    items: int = number(32, least=2)  # a triplet needs two items ...
    """P: items per batch."""
    images: int = number(4, least=2)  # ... and two images of one
    """K: images per item in a batch."""
    classified_items: int = number(1000, least=1)
    """Items that the cross-entropy tells apart: those with most images."""
    lr: float = number(3e-4, above=0)
    weight_decay: float = number(1e-4, least=0)
    margin: float = number(0.1, least=0)
    triplet_weight: float = number(1.0, least=0, loss=True)
    classification_weight: float = number(1.0, least=0, loss=True)
    temperature: float = number(1.0, above=0)
    """Divides the logits of the classification; CGD: 0.5."""
    label_smoothing: float = number(0.0, least=0, below=1)
    """Share of the classification's target that is spread over all items; CGD: 0.1."""
    flip: bool = True
    scale_min: float = number(0.7, above=0, most=1)
    """Least share of the area that a random crop leaves; 1: no crop."""
    brightness: float = number(0.2, least=0, most=1)
    """Largest random change of brightness and contrast."""
    erase: float = number(0.2, least=0, most=1)
    """Probability that a rectangle is blanked out."""
    extract_batch: int = number(64, least=1)
    dtype: str = one_of("float16", "float32")
    """Type of the stored features."""

    def network(self) -> dict[str, Any]:
        """The settings that the network's weights depend on."""
        names = ["model", "feature_dim", "pooling", "whitening"]
        if self.pooling == LEVELS:
            names += ["levels", "levels_weight", "levels_window"]
        return {name: getattr(self, name) for name in names}


@dataclass
class EmbedderConfig:
    """Stage 2: features -> one embedding per attribute type, by equation (2) on sparse labels."""

    loss: str = one_of("triplet", "softmax")
    """triplet: equation (2). softmax: cross-entropy over the dictionary, not in the paper."""
    temperature: float = number(0.2, above=0)
    """Of the softmax."""
    embedding_dim: int = number(32, least=1)
    """k of the paper."""
    members: int = number(1, least=1)
    """Networks per type, each with a dictionary of its own; the paper: 1."""
    working_dim: int | None = number(256, least=1)
    """Stages 2 and 3 see this many principal directions of the features; null: all."""
    hidden: int = number(512, least=1)
    dropout: float = number(0.3, least=0, below=1)
    margin: float = number(0.5, least=0)
    noise: float = number(0.5, least=0)
    """Gaussian noise on the training features, in units of their root mean square."""
    self_training: float = number(0.0, least=0)
    """Weight of the self-training on photos without labels; 0: none. It needs ``loss=softmax``, and
    pays where few photos are labelled (docs/discussion.md)."""
    bank: int = number(8192, least=2)
    """Training photos that the self-training draws from, at most."""
    lr: float = number(1e-3, above=0)
    weight_decay: float = number(1e-4, least=0)
    batch_size: int = number(256, least=2)
    max_epochs: int = number(40, least=1)


@dataclass
class ManipulatorConfig:
    """Stage 3: G edits a feature x to x-tilde, D judges it; equations (3) to (5)."""

    hidden: int = number(512, least=1)
    depth: int = number(2, least=1)
    gated: bool = False
    """G changes a part of the feature that a gate chooses (TIRG); false: G makes all of it."""
    input_noise: float = number(0.0, least=0)
    """Gaussian noise on G's input in training, in units of a feature's root mean square."""
    discriminator_hidden: int = number(512, least=1)
    discriminator_depth: int = number(2, least=1)
    noise: float = number(0.5, least=0)
    """Noise on D's input at the start, without which G fools D by tiny changes."""
    noise_end: float = number(2.0, least=0)
    """The same at the end; it rises in a straight line."""
    adversarial_weight: float = number(0.1, least=0, loss=True)
    """Weight of equation (3). Where it and ``matching_weight`` are 0, D is not trained."""
    matching_weight: float = number(1.0, least=0, loss=True)
    """Weight of equation (4)."""
    cycle_weight: float = number(0.3, least=0, loss=True)
    """Weight of equation (5)."""
    distillation_weight: float = number(0.0, least=0, loss=True)
    """Weight of the neighbour distillation, not in the paper: the cosine to x-tilde learns to rank
    photos as the whole score of an edited search does."""
    moved_weight: float = number(0.0, least=0, loss=True)
    """Weight of the cosine distance between x-tilde and the query moved by class means."""
    composition_weight: float = number(0.0, least=0, loss=True)
    """Weight of TIRG's loss: x-tilde learns to lie near a photo with the wanted classes."""
    bank: int = number(8192, least=2)
    """Training photos that the distillation and TIRG's loss draw from, at most."""
    bank_batch: int = number(1024, least=2)
    """Photos drawn from them per step."""
    teacher_target: float = number(1.0, least=0)
    """This and the next two: the weights of ``scoring`` in the distillation's teacher."""
    teacher_others: float = number(0.5, least=0)
    teacher_moved: float = number(1.0, least=0)
    teacher_temperature: float = number(0.5, above=0)
    """Divides the teacher's scores."""
    student_temperature: float = number(0.05, above=0)
    """Divides the cosines of x-tilde, in the distillation and in TIRG's loss."""
    with_remaining: bool = True
    """Equation (4) matches all types ("M" of Table 3); false: the target type alone ("S")."""
    online_sampling: bool = True
    """x^- is the photo of another target class that is most like x in the other types ("OS" of
    Table 3); false: any photo of another target class."""
    dictionary_targets: bool = False
    """G's target is the dictionary vector of a random class, as in a search. false: the embedding
    of a photo x^- (the paper)."""
    lr: float = number(1e-3, above=0)
    discriminator_lr: float = number(5e-4, above=0)
    beta1: float = number(0.5, least=0, below=1)
    beta2: float = number(0.99, least=0, below=1)
    batch_size: int = number(256, least=2)
    steps_per_epoch: int = number(250, least=1)
    max_epochs: int = number(6, least=1)
