"""Everything that is tested: the core here and now, the server over HTTP, the cluster for real."""
