"""A real Kubernetes control plane for tests, built from Go modules: no root, no Docker, loopback only."""
