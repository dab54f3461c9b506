"""Helm, and the plain manifests that it renders from the chart."""
