"""Tests of certs.managed."""
