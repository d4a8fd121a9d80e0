"""Schemas of the stages, the concatenation baselines and the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from flam_pl.config.bounds import number, one_of
from flam_pl.config.pooling import LEVELS, POOLINGS


@dataclass
class BackboneConfig:  # Stage 1: images -> features
    model: str = MISSING  # Name of a timm model
    weights: str = "none"  # Or timm (downloaded), imagenet-package (efficientnet_lite0), a file
    image_size: int = number(224, least=1)
    fit: str = one_of("pad", "crop", "stretch")  # How an image becomes square
    feature_dim: int | None = number(1024, least=1)  # Dimension of the features; null: all channels
    pooling: str = one_of(*POOLINGS)  # How a feature map becomes a vector; spoc is the paper's
    levels: int = number(3, least=1)  # ``pooling=levels``: number of early feature maps
    levels_weight: float = number(0.7, least=0)  # Weight of the early maps; that of the last is 1
    levels_window: float = number(0.6, above=0, most=1)  # Used share of each side, in the middle
    whitening: float | None = number(None, least=0)
    """Power of a whitening that replaces the learned projection (SPoC: 1; only centring: 0)."""
    max_epochs: int = number(10, least=0)  # 0: a frozen backbone
    frozen_levels: int = number(0, least=0)  # First feature levels that keep their weights
    items: int = number(32, least=2)  # P: items per batch; triplets need two
    images: int = number(4, least=2)  # K: images per item in a batch; triplets need two
    classified_items: int = number(1000, least=1)  # Cross-entropy: the items with most images
    lr: float = number(3e-4, above=0)
    weight_decay: float = number(1e-4, least=0)
    margin: float = number(0.1, least=0)
    triplet_weight: float = number(1.0, least=0, loss=True)
    classification_weight: float = number(1.0, least=0, loss=True)
    temperature: float = number(1.0, above=0)  # Divides the logits of the classification (CGD: 0.5)
    label_smoothing: float = number(0.0, least=0, below=1)  # Of the classification (CGD: 0.1)
    flip: bool = True
    scale_min: float = number(0.7, above=0, most=1)  # Least area of a random crop, a share
    brightness: float = number(0.2, least=0, most=1)  # Largest change of brightness and contrast
    erase: float = number(0.2, least=0, most=1)  # Probability that a rectangle is blanked out
    extract_batch: int = number(64, least=1)
    dtype: str = one_of("float16", "float32")  # Type of the stored features

    def network(self) -> dict[str, Any]:
        """The settings that shape the network."""
        names = ["model", "feature_dim", "pooling", "whitening"]
        if self.pooling == LEVELS:
            names += ["levels", "levels_weight", "levels_window"]
        return {name: getattr(self, name) for name in names}


@dataclass
class EmbedderConfig:  # Stage 2: features -> one embedding per attribute type
    loss: str = one_of("triplet", "softmax")
    """triplet: equation (2). softmax: cross-entropy over the dictionary, not in the paper."""
    temperature: float = number(0.2, above=0)  # ``loss=softmax``: divides the logits
    embedding_dim: int = number(32, least=1)  # k of the paper
    members: int = number(1, least=1)  # Networks per type, each with its own dictionary
    working_dim: int | None = number(256, least=1)  # Principal directions of features; null: all
    hidden: int = number(512, least=1)
    dropout: float = number(0.3, least=0, below=1)
    margin: float = number(0.5, least=0)
    noise: float = number(0.5, least=0)  # Gaussian, on training features: times their RMS
    self_training: float = number(0.0, least=0)
    """Weight of the self-training on photos without labels; it needs ``loss=softmax``."""
    bank: int = number(8192, least=2)  # Most training photos that the self-training draws from
    lr: float = number(1e-3, above=0)
    weight_decay: float = number(1e-4, least=0)
    batch_size: int = number(256, least=2)
    max_epochs: int = number(40, least=1)


@dataclass
class ManipulatorConfig:  # Stage 3: G edits a feature x to x-tilde, D judges it
    hidden: int = number(512, least=1)
    depth: int = number(2, least=1)
    gated: bool = False  # G changes only the part of the feature that a gate chooses (TIRG)
    input_noise: float = number(0.0, least=0)  # Noise on G's training input, as ``embedder.noise``
    discriminator_hidden: int = number(512, least=1)
    discriminator_depth: int = number(2, least=1)
    noise: float = number(0.5, least=0)  # Noise on D's input at the start
    noise_end: float = number(2.0, least=0)  # Noise on D's input at the end; it rises linearly
    adversarial_weight: float = number(0.1, least=0, loss=True)  # Weight of equation (3)
    matching_weight: float = number(1.0, least=0, loss=True)
    """Weight of equation (4). Where this and ``adversarial_weight`` are 0, D is not trained."""
    cycle_weight: float = number(0.3, least=0, loss=True)  # Weight of equation (5)
    distillation_weight: float = number(0.0, least=0, loss=True)  # Weight of neighbour distillation
    moved_weight: float = number(0.0, least=0, loss=True)
    """Weight of the cosine distance between x-tilde and the query moved by class means."""
    composition_weight: float = number(0.0, least=0, loss=True)  # Weight of TIRG's loss
    bank: int = number(8192, least=2)  # Most training photos for the distillation and TIRG's loss
    bank_batch: int = number(1024, least=2)  # Photos drawn from the bank per step
    teacher_target: float = number(1.0, least=0)  # Distillation: the teacher's ``scoring.target``
    teacher_others: float = number(0.5, least=0)  # The teacher's ``scoring.others``
    teacher_moved: float = number(1.0, least=0)  # The teacher's ``scoring.moved``
    teacher_temperature: float = number(0.5, above=0)  # Divides the teacher's scores
    student_temperature: float = number(0.05, above=0)  # Divides the cosines of x-tilde
    with_remaining: bool = True  # G's equation (4) matches all types ("M"); false: the target ("S")
    online_sampling: bool = True
    """x^- is the photo of another class nearest to x in the other types ("OS"); false: any."""
    dictionary_targets: bool = False  # G's target is the dictionary vector of a random class
    lr: float = number(1e-3, above=0)
    discriminator_lr: float = number(5e-4, above=0)
    beta1: float = number(0.5, least=0, below=1)
    beta2: float = number(0.99, least=0, below=1)
    batch_size: int = number(256, least=2)
    steps_per_epoch: int = number(250, least=1)
    max_epochs: int = number(6, least=1)


@dataclass
class ConcatConfig:  # Cls-Concat, Emb-Concat and ADDE-M
    width: int = number(341, least=1)  # Dimensions per attribute type: 3 x 341 = 1023
    hidden: int | None = number(512, least=1)  # Cls-Concat: width of the hidden layer; null: none
    dropout: float = number(0.5, least=0, below=1)
    noise: float = number(0.5, least=0)  # As ``embedder.noise``
    working_dim: int | str | None = number("embedder", least=1, choices=("embedder",))
    """As ``embedder.working_dim``; "embedder": the number of ``embedder.working_dim``."""
    lr: float = number(1e-3, above=0)
    weight_decay: float = number(1e-4, least=0)
    batch_size: int = number(256, least=2)
    max_epochs: int = number(40, least=1)


@dataclass
class ScoringConfig:
    """Score of an edited search; null: the weight is chosen on the validation split."""

    posteriors: bool = True  # Add weighted log-posteriors to the cosine; false: the paper's
    target: float | None = number(None, least=0)  # Weight of the wanted class's log-posterior
    others: float | None = number(None, least=0)  # Weight of the log-posteriors of the other types
    moved: float | None = number(None, least=0)
    """Weight of the cosine to the query moved from its class's mean to the wanted class's mean."""
