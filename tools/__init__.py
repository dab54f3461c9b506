"""The checks of `make check` that are our own: wording, messages and shape. They need nothing but Python."""
