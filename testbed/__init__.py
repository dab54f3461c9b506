"""What tests, the demo and the benchmarks run against: a real cluster, a real node, replicas, an emulated Entra."""
