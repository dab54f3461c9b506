"""Helm, and the plain manifests that Helm renders from our chart."""
