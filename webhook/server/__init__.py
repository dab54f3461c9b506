"""HTTP and TLS: gunicorn's worker, connections, the review endpoint, and the operations port."""
