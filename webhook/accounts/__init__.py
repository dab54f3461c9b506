"""Finding a pod's ServiceAccount: the cache, and where ServiceAccounts come from."""
