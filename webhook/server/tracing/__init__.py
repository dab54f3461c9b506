"""Traces of reviews, by OpenTelemetry. Nothing here is imported unless traces are switched on: it takes memory.

reviews   the span of a review, and of a call to kube-apiserver in it
export    sends them to a collector, by OTLP over HTTP; what is lost is counted
"""
