"""Tests of the checks that `make check` runs."""
