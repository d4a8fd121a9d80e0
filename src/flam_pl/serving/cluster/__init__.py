"""Gallery vectors of a catalogue that is too large for one machine, computed by Ray Data.

``extract`` writes the vectors into Parquet files, the **shards**; ``bulk_import`` adds them to a
gallery. A photo or the folder of the shards is a local path, or an address that ``pyarrow.fs``
opens: ``file://``, ``s3://``, ``gs://``, ``abfs://``, ``hdfs://``; not ``http://``. The list of
photos and the bundle are local, at the same path on every machine of the cluster.

Ray runs on the cluster of this process's connection, else of ``RAY_ADDRESS``, else on this machine
alone.
"""

from flam_pl.serving.cluster.extraction import Extraction, extract
from flam_pl.serving.cluster.importing import bulk_import

__all__ = ["Extraction", "bulk_import", "extract"]
