"""A collector for the tests: it keeps the spans that it is sent."""
