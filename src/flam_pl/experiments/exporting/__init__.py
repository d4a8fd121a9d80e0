"""The export of a run as a bundle."""
