"""The client-side helper. Nothing is in it yet: see the changelog."""
