"""HTTP and TLS: gunicorn's worker, connections, the review endpoint, and the operations port.

HTTP on connections is our own, because no server bounds the time of head and body together, limits connections and ends
the slowest one: docs/decisions/0001-own-http-connections.md. httptools parses, gunicorn runs the process.

    process              the process, from its settings to SIGTERM
    worker_parts         what process and worker hand to each other
gunicorn_overrides   what is changed of gunicorn
    worker_life          a worker, from its first listener to its last connection
    background           what goes on while the worker serves
    lifecycle            how far the process is
    open_files           how many connections the limit of open files allows

    listener             accepts connections and does their TLS handshake
    connection           one connection, held to its limits
    open_connections     what each connection is doing, and which makes room for a new one
    shared, limits       what all connections have in common; how much a client may ask for
    callers              who may ask, by client certificate
    request_parser       one request out of bytes
    exchange, asgi       one request and its answer, as an ASGI application has them
    flow_control         whether a client reads its answer
    known_heads          heads of requests that need not be parsed again

    application          the review endpoint
    bodies               reads bodies, and bounds the memory that they take
    large_reviews        reads and decides large reviews in a thread, one by one
    deadlines            how long a review may take
    line_rate            how many log lines refused requests may cause
    spans, tracing       what the server asks of traces; the traces

    operations           the operations port: probes and metrics
    startup              the page of the startup probe
    wsgi                 the Flask application as an ASGI application
    freed_memory         gives memory back to the system
"""
