"""Schemas of all settings, a file a part; ``root`` has the whole, ``loading`` reads it."""
