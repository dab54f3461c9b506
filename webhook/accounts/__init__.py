"""Finding a pod's ServiceAccount.

source    what every source offers, and an Account from JSON or YAML
cluster   ServiceAccounts of a cluster, each read by name
files     ServiceAccounts from files
cache     the cache in front of a source
fair_queues  which question is asked next, and how many of them
"""
