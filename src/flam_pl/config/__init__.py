"""Schemas of all settings, one file per part; ``root`` has the whole, ``loading`` reads it."""
