"""Tests of webhook.settings, without a process."""
