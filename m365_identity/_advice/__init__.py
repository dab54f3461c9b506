"""What a failure means, and how to fix it."""
