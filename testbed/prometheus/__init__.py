"""Prometheus and promtool: built from their Go module, and run."""
