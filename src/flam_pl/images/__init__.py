"""Photos: their files and their pixels."""
