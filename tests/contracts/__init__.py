"""One module for each Protocol: the same tests over the fake that other tests use and over what the product uses."""
