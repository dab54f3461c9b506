"""A real Kubernetes control plane, built from Go modules. It needs neither root nor Docker, and listens on loopback."""
