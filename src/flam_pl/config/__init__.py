"""Schemas of all settings (``root``), and their reading (``loading``)."""
