"""A bundle: one folder with everything that a search needs, and nothing of the training.

``config.json``, ``attributes.json``, a ``.safetensors`` file per network, ``README.md`` (the model
card), and ``manifest.json`` with the SHA-256 of each file. No file is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import ModelHubMixin, snapshot_download

from flam_pl.atomic_io import only_writer, replace_folder, restore_folder, temporary
from flam_pl.attributes import AttributeSchema
from flam_pl.config.saved_files import DamagedFile, read_json, reading, require_ours, sealed
from flam_pl.errors import FlamError, not_a_name
from flam_pl.retrieval.applicability import Applicability

FORMAT = 1
MANIFEST, CONFIG, ATTRIBUTES, CARD = "manifest.json", "config.json", "attributes.json", "README.md"
ONNX = ("backbone.onnx", "reader.onnx", "query.onnx", "table.npy")
REMEDY = "Export the bundle again: flam-pl export run=<its run>."


class BundleError(FlamError):
    """A bundle that is missing, cut or changed."""


@dataclass(frozen=True)
class Contents:
    """The content of ``config.json``."""

    name: str  # of the run
    row: str  # the method that searches, as in the tables
    networks: dict[str, dict[str, Any]]  # name -> kind and architecture; a file for each
    editor: dict[str, Any]
    posteriors: dict[str, Any]
    weights: dict[str, float]  # of the score
    preprocess: dict[str, Any]
    dimension: int  # D of the features
    calibration: dict[str, Any] | None  # slope and intercept per event, and the threshold
    images: list[list[int]]  # training images per class, per type
    labelled: list[list[list[int]]]  # of these, labelled with each type
    figures: dict[str, Any]  # measured on the run's evaluation photos
    versions: dict[str, str]
    format: int = FORMAT


@dataclass(frozen=True)
class Manifest:
    format: int
    files: dict[str, str]  # SHA-256 by name


class Bundle(ModelHubMixin, library_name="flam-pl", tags=["image-retrieval", "fashion"]):
    """An opened bundle, checked file by file."""

    def __init__(self, folder: Path, contents: Contents, attributes: Mapping[str, Any]) -> None:
        self.folder, self.contents = folder, contents
        self.schema = AttributeSchema.from_dict(attributes["classes"])
        self.synonyms: Mapping[str, Any] = attributes["synonyms"]

    @property
    def name(self) -> str:
        return self.contents.name

    @property
    def figures(self) -> Mapping[str, Any]:
        return self.contents.figures

    @property
    def dimension(self) -> int:
        """Length D + C of a gallery vector: feature dimensions and classes."""
        return self.contents.dimension + sum(self.schema.sizes)

    @property
    def has_onnx(self) -> bool:
        return set(ONNX) <= set(hashes(self.folder))  # another file is not checked

    @cached_property
    def space(self) -> str:
        """SHA-256 of all that makes gallery vectors. Bundles with equal hashes share galleries."""
        files, posteriors = hashes(self.folder), self.contents.posteriors
        names = ["backbone", posteriors["embedders"], posteriors["classifiers"]]
        named = [name for name in names if name]
        parts = {
            "files": [files[weights_of(name)] for name in named],
            "networks": [self.contents.networks[name] for name in named],
            "hardened": posteriors["hardened"],
            "preprocess": self.contents.preprocess,
            "classes": self.schema.to_dict(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @cached_property
    def applicability(self) -> Applicability:
        images = [np.array(of) for of in self.contents.images]
        return Applicability(self.schema, images, [np.array(of) for of in self.contents.labelled])

    @classmethod
    def load(cls, folder: str | Path) -> Bundle:
        """Open a bundle.

        Raises BundleError for a folder that is no bundle, and for a file that is missing, cut,
        changed or not to be read.
        """
        folder = Path(folder)
        try:
            restore_folder(folder)
            if not (folder / MANIFEST).is_file():
                raise BundleError(
                    f"{folder} is no bundle: {MANIFEST} is missing. Export one: flam-pl export "
                    "run=wardrobe"
                )
            require_listed(folder, (CONFIG, ATTRIBUTES))
            for name, expected in hashes(folder).items():
                found = file_hash(folder / name) if (folder / name).is_file() else None
                if found != expected:
                    state = "is missing" if found is None else "was cut or changed"
                    raise BundleError(f"{folder / name} {state}. {REMEDY}")
            with reading(folder / CONFIG, REMEDY):
                plain = json.loads((folder / CONFIG).read_bytes())
                if plain.get("format") != FORMAT:
                    raise ValueError(f"format {plain.get('format')}, expected {FORMAT}")
                contents = Contents(**plain)
            require_listed(folder, map(weights_of, contents.networks))
            with reading(folder / ATTRIBUTES, REMEDY):
                return cls(folder, contents, json.loads((folder / ATTRIBUTES).read_bytes()))
        except DamagedFile as error:
            raise BundleError(str(error)) from error
        except OSError as error:
            raise BundleError(
                f"{error.filename or folder} cannot be read ({error.strerror}). This user needs "
                "the right to read every file of the bundle"
            ) from error

    def save_pretrained(self, save_directory: str | Path, **how: Any) -> str | None:
        """Copy the bundle to a folder, as Hugging Face does; FlamError for the bundle's folder."""
        if Path(save_directory).resolve() == self.folder.resolve():  # config.json would be deleted
            raise FlamError(f"{save_directory} is the bundle's own folder; choose another")
        found: str | None = super().save_pretrained(save_directory, **how)
        return found

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **how: Any) -> Bundle:
        """A local folder, or a repository of the Hugging Face hub. Raises BundleError."""
        if Path(pretrained_model_name_or_path).is_dir():  # the hub's own way reads it unchecked
            return cls.load(pretrained_model_name_or_path)
        found: Bundle = super().from_pretrained(pretrained_model_name_or_path, **how)
        return found

    def _save_pretrained(self, save_directory: Path) -> None:
        for name in (MANIFEST, *hashes(self.folder)):
            shutil.copyfile(self.folder / name, Path(save_directory) / name)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **how: Any) -> Bundle:
        options = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        known = {name: how[name] for name in options if name in how}
        return cls.load(snapshot_download(model_id, **known))


def weights_of(network: str) -> str:
    return f"{network}.safetensors"


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 by file, from the manifest. Raises BundleError."""
    path = folder / MANIFEST
    try:
        manifest: Manifest = read_json(path, Manifest, REMEDY)
    except DamagedFile as error:
        raise BundleError(str(error)) from error
    if manifest.format != FORMAT:
        raise BundleError(f"{path} has format {manifest.format}, expected {FORMAT}. {REMEDY}")
    for name in manifest.files:
        if wrong := not_a_name(name):
            raise BundleError(f"{path} names the file {name!r}: {wrong}. {REMEDY}")
    return manifest.files


def require_listed(folder: Path, names: Iterable[str]) -> None:
    """Raise BundleError if the manifest does not list one of these files."""
    if missing := sorted(set(names) - set(hashes(folder))):
        raise BundleError(f"{folder / MANIFEST} does not list {', '.join(missing)}. {REMEDY}")


def file_hash(path: Path) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(2**20):
            found.update(part)
    return found.hexdigest()


def write_bundle(
    folder: Path,
    contents: Contents,
    schema: AttributeSchema,
    synonyms: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, np.ndarray]],
    card: str,
    onnx: Mapping[str, bytes] | None = None,
) -> Bundle:
    """Write a bundle whole or not at all; ``tensors``: network -> name -> array.

    Raises FlamError if ``folder`` holds other files.
    """
    from safetensors.numpy import save

    require_ours(folder, MANIFEST, CONFIG, ATTRIBUTES)
    with only_writer(folder):
        new = temporary(folder)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            for name, of in tensors.items():
                # save_file hides it from other users
                (new / weights_of(name)).write_bytes(save(dict(of)))
            for name, data in (onnx or {}).items():
                (new / name).write_bytes(data)
            attributes = {"classes": schema.to_dict(), "synonyms": dict(synonyms)}
            for name, plain in ((CONFIG, asdict(contents)), (ATTRIBUTES, attributes)):
                text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
                (new / name).write_text(text, encoding="utf-8")
            (new / CARD).write_text(card, encoding="utf-8")
            files = {path.name: file_hash(path) for path in sorted(new.iterdir())}
            (new / MANIFEST).write_text(sealed({"format": FORMAT, "files": files}))
            replace_folder(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return Bundle.load(folder)
