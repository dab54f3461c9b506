"""A Kubernetes cluster with one node, for our image in real pods: on our own node as root, or on kind with Docker.

packages              the Debian packages of a node
images                the images, built from the real Dockerfile without a registry
house                 the Linux namespaces that a node lives in, so that nothing of it outlives a run
node, kind            the two clusters; both can run a command on the node and load an image
ready                 which of the two it is, and what it needs before it starts
installed, release    the webhook, installed from the plain manifests or by Helm
emulator              Entra and Graph as a pod
previous              the release before this one
authority             the authority of an organization, for the tests of proxies
pods, traffic         what the tests create
renewal               a pod that waits until its token is renewed
"""
