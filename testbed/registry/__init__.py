"""A container registry on loopback, and the programs that fill it and verify what is in it: crane and cosign."""
