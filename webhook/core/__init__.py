"""What happens to a pod, and why: pure functions, with no server, cluster, environment, clock or files."""
