"""Tests of the pure core, the ServiceAccount look-up and the reviewer: no network, no cluster, no sleeps."""
