"""Azure Resource Manager, as far as managed identities and the sign-in of az need it."""
