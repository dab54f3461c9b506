"""Gives the tests of every folder the cluster's fixtures."""

pytest_plugins = ["tests.cluster.fixtures"]
