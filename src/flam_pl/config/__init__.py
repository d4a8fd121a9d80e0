"""Schemas of all settings, a file a part; ``root`` has the whole and reads it."""
