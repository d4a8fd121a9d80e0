"""From the settings of a data set to its Catalog."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import DataConfig
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import keep_label_share
from flam_pl.datasets.unlabelled import with_unlabelled
from flam_pl.errors import FlamError


def open_catalog(data: DataConfig, schema: AttributeSchema | None = None) -> Catalog:
    """Reads a data set by ``read(root, data, schema)`` of the module that ``data.reader`` names.

    Args:
        schema: classes of a trained run, to evaluate it on other photos. Other labels count as
            unlabelled, and only evaluated photos are left.

    Raises:
        FlamError: a file, line or setting that cannot be used, or no photo.
    """
    if data.root is None:
        raise FlamError(
            f"data={data.name} needs the place of its data: "
            f'ARGS="data={data.name} data.root=/path/to/it"'
        )
    module = f"{__package__}.{data.reader}"
    if not data.reader.isidentifier() or not find_spec(module):
        raise FlamError(f"data.reader is {data.reader!r}; expected a module of {__package__}")
    catalog: Catalog = import_module(module).read(Path(data.root).expanduser(), data, schema)
    if schema is not None:
        evaluated = np.union1d(catalog.rows("evaluation"), catalog.instance_rows())
        return catalog.select(evaluated) if len(evaluated) else catalog
    catalog = keep_label_share(catalog, data.label_share, data.label_seed)
    if data.unlabelled is not None:
        return with_unlabelled(catalog, Path(data.unlabelled).expanduser())
    return catalog
