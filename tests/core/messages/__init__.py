"""Tests of webhook.core.messages."""
