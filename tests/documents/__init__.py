"""Tests of webhook.documents: YAML as kubectl reads it."""
