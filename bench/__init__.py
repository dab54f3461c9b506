"""How fast the webhook is, as ratios to one of the usual kind that is measured in the same run: `python -m bench`."""
