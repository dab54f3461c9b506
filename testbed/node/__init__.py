"""A Kubernetes with a node: our image in real pods, on our own node as root, or on kind where there is Docker.

packages, images      what Debian has, and the images, made of the real Dockerfile without a registry
house                 the namespaces that a node lives in, so that nothing of it outlives a run
node, kind            the two clusters; both can run a command on the node and load an image
ready                 which of them it is, and what it needs before it starts
installed, emulator   the webhook and an Entra, as they run there
pods, traffic         what the tests do
"""
