"""The webhook's certificates: where they come from, how they are kept right, and what connections meet."""
