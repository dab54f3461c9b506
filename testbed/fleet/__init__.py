"""Certificates of a webhook that runs against a real kube-apiserver: several replicas behind one address."""
