"""What the tests, the demo and the benchmarks run against: a cluster, a node, replicas, and an emulator of Entra."""
