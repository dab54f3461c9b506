"""Tests of webhook.offline: what `mutate` decides and prints."""
