"""That the benchmark measures; how fast anything is, no test asks."""
