"""Token files, and what a token says."""
