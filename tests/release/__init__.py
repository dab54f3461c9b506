"""Tests of tools/release: what `make release` makes."""
