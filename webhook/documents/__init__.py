"""YAML and JSON manifests, read as kubectl reads them, with the position of each value."""
