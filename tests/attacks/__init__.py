"""Attacks on the webhook: what a stranger, or a replica in the wrong hands, may try."""
