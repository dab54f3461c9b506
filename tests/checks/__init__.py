"""Tests of webhook.checks that need no cluster."""
