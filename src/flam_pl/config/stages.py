"""Schemas of the three stages: config groups ``backbone``, ``embedder`` and ``manipulator``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from flam_pl.config.pooling import LEVELS


@dataclass
class BackboneConfig:
    """Stage 1: images -> features."""

    model: str = MISSING
    """Any name of timm."""
    weights: str = "none"
    """none | timm (downloaded) | imagenet-package (tf_efficientnet_lite0 only) | a local file."""
    image_size: int = 224
    fit: str = "pad"
    """How an image becomes square: pad | crop | stretch."""
    feature_dim: int | None = 1024
    """Dimension of the projection after pooling (paper: 1024), or of a whitening in its place; null
    keeps all channels."""
    pooling: str = "spoc"
    """Feature map -> vector: spoc (the paper's) | mac | gem | levels: spoc beside means and
    deviations of the early feature levels, which still know the color | a combination of the first
    three by their first letters, cgd-SG, cgd-MG, cgd-GSM, ..., whose first one the classification
    loss sees."""
    levels: int = 3
    """Of the pooling "levels": so many of the network's first feature levels."""
    levels_weight: float = 0.7
    """Weight of their part beside that of the last map, which is 1."""
    levels_window: float = 0.6
    """Share of each side of the early maps that is looked at, in the middle."""
    whitening: float | None = None
    """In place of a learned projection, measured on training photos once the weights are trained:
    features are centred and each principal direction (the leading feature_dim of them) is divided
    by its deviation to this power. 1 is SPoC's whitening, 0 only centres; null: none of it."""
    max_epochs: int = 10
    """0 keeps the weights as they are: a frozen backbone."""
    items: int = 32
    """P: items in a batch."""
    images: int = 4
    """K: images of each item in a batch."""
    classified_items: int = 1000
    """Cross-entropy runs over this many items, those with the most images."""
    lr: float = 3e-4
    weight_decay: float = 1e-4
    margin: float = 0.1
    triplet_weight: float = 1.0
    classification_weight: float = 1.0
    temperature: float = 1.0
    """Divides the logits of the classification; a reimplementation of CGD takes 0.5."""
    label_smoothing: float = 0.0
    """Share of the classification's target that all items get alike; a reimplementation of CGD
    takes 0.1."""
    flip: bool = True
    scale_min: float = 0.7
    brightness: float = 0.2
    erase: float = 0.2
    extract_batch: int = 64
    dtype: str = "float16"
    """Of the stored features: float16 | float32."""

    def network(self) -> dict[str, Any]:
        """What kind of network it is; its weights fit no other."""
        names = ["model", "feature_dim", "pooling", "whitening"]
        if self.pooling == LEVELS:
            names += ["levels", "levels_weight", "levels_window"]
        return {name: getattr(self, name) for name in names}


@dataclass
class EmbedderConfig:
    """Stage 2: equation (2) on sparse labels."""

    loss: str = "triplet"
    """triplet: equation (2) | softmax: cross-entropy over the dictionary, not in the paper."""
    temperature: float = 0.2
    """Of the softmax."""
    embedding_dim: int = 32
    """k."""
    members: int = 1
    """Networks a type, each with a dictionary of its own; the paper has one."""
    working_dim: int | None = 256
    """Stages 2 and 3 work in so many principal directions of the features; null in all."""
    hidden: int = 512
    dropout: float = 0.3
    margin: float = 0.5
    noise: float = 0.5
    """Gaussian noise on the training features, in units of their root mean square."""
    self_training: float = 0.0
    """Weight of the cross-entropy to what all members together see in photos whose labels are not
    read, from a third of the training on; ``loss=triplet`` ignores it. 0: labels alone. It pays
    where few of many photos are labelled (docs/discussion.md)."""
    bank: int = 8192
    """Training photos, drawn once, that the self-training sees; fewer where there are fewer."""
    lr: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 256
    max_epochs: int = 40


@dataclass
class ManipulatorConfig:
    """Stage 3: equations (3) to (5)."""

    hidden: int = 512
    depth: int = 2
    gated: bool = False
    """Whether G adds what it makes to a part of the feature, which a gate chooses (TIRG), or makes
    the whole of the new feature."""
    shared: bool = True
    """One generator for all target types; false: one per type."""
    input_noise: float = 0.0
    """Gaussian noise on what G edits while it trains, in units of a feature's root mean square."""
    discriminator_hidden: int = 512
    discriminator_depth: int = 2
    noise: float = 0.5
    """Standard deviation of the noise on D's input at the start; without it G fools D by tiny
    changes, and with much of it D cannot teach yet and G stays at the identity."""
    noise_end: float = 2.0
    """The same at the end; it rises in a straight line."""
    adversarial_weight: float = 0.1
    matching_weight: float = 1.0
    cycle_weight: float = 0.3
    distillation_weight: float = 0.0
    """Of the neighbour distillation, which the paper does not have: x-tilde ranks real photos by
    its cosine alone as the whole score of an edited search does. The other weights may then be 0;
    where (3) and (4) both are, D is not used."""
    moved_weight: float = 0.0
    """Weight of the cosine distance between x-tilde and the moved query: the query less the means
    of its classes plus those of the wanted classes. It keeps x-tilde near its own garment."""
    composition_weight: float = 0.0
    """Of the loss of TIRG, a rival of the paper's: x-tilde must lie nearer to a real photo with the
    wanted classes than to those of the other edits of the batch."""
    bank: int = 8192
    """Real photos that the distillation ranks, and TIRG's answers, drawn once; fewer where there
    are fewer."""
    ranked: int = 1024
    """Of these, drawn in each step."""
    teacher_target: float = 1.0
    """What the teacher of the distillation weighs: the log-posteriors of the wanted class ..."""
    teacher_others: float = 0.5
    """... those of the query's own classes in the other types ..."""
    teacher_moved: float = 1.0
    """... and the cosine to the query moved by the means of its classes."""
    teacher_temperature: float = 0.5
    student_temperature: float = 0.05
    """Of the cosines of x-tilde, in the distillation and in TIRG's loss."""
    with_remaining: bool = True
    """"M" of Table 3; false is "S": only the target type is matched."""
    online_sampling: bool = True
    """"OS" of Table 3: x^- is like x in the remaining attributes; false: any other class."""
    ask_dictionary: bool = False
    """Whether G is asked for the dictionary vector of a class drawn at random, as by a search, in
    place of the embedding of a photo x^- (the paper's); then there is no online sampling."""
    lr: float = 1e-3
    discriminator_lr: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.99
    clip: float = 0.0
    """Largest gradient norm of G and of D; 0 does not clip."""
    batch_size: int = 256
    steps_per_epoch: int = 250
    max_epochs: int = 6
