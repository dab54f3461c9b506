"""The self-managed certificate source: an authority in a Secret, a leaf certificate in memory, trust in caBundle."""
