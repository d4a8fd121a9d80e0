"""flam-pl: fashion search with edits at the level of one stored feature (FLAM, BMVC 2019)."""
