"""Tests that the benchmark measures. Speed itself is not tested."""
