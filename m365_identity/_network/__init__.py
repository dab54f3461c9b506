"""Connections, the two HTTP transports, and the trusted authorities."""
