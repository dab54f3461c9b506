"""HTTP and TLS: gunicorn's worker, connections, the review endpoint, and the operations port.

HTTP on connections is our own, because no server bounds the time of head and body together, limits connections and ends
the slowest one: docs/decisions/0001-own-http-connections.md. httptools parses, gunicorn runs the process.
"""
