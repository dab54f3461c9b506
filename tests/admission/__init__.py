"""Pods behind a real kube-apiserver and a real webhook process."""
