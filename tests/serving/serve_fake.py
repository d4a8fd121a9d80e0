"""A process that serves drawn photos: ``python serve_fake.py FOLDER SECONDS_PER_SEARCH``."""

from __future__ import annotations

import sys
from pathlib import Path

from fake_searcher import small_shop

from flam_pl.serving.service import Options, serve

if __name__ == "__main__":
    folder, delay = Path(sys.argv[1]), float(sys.argv[2])
    searcher = small_shop(folder / "photos")
    assert searcher.gallery is not None
    searcher.gallery.delay = delay
    serve(searcher, Options(port=0, folder=folder / "served"))
