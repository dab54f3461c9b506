"""Tests of webhook.offline.explain."""
