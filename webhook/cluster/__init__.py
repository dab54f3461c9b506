"""The API server: the only folder that imports kubernetes."""
