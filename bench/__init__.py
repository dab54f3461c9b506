"""How fast the webhook is, as ratios to a usual Go webhook that is measured in the same run: `python -m bench`."""
