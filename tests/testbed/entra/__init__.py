"""Tests of testbed.entra."""
