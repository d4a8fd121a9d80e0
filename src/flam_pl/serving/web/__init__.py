"""The parts of the HTTP service; ``serving.service`` puts them together."""
