"""The admission webhook: pods of an annotated ServiceAccount sign in to Microsoft 365 with no secret.

docs/architecture.md has the layers; `webhook.core.decision` is where to start reading.
"""

__version__ = "0.1.0"
