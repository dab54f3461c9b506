"""Tests of testbed.cluster."""
