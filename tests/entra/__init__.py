"""What Entra asks for: federated identity credentials, and an issuer that it can read."""
