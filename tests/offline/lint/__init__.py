"""Tests of webhook.offline.lint."""
