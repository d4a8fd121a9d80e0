"""The plain search, without the edits: what an editing method must beat."""

from __future__ import annotations

from flam_pl.editing.editor import NoEdit
from flam_pl.methods.registry import Method, OpenMethod

METHODS = [Method("no_edit", "no edit", "#7f7f7f", 0, lambda place: OpenMethod(NoEdit()))]
