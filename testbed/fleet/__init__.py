"""A fleet of webhook replicas behind one address, against a real kube-apiserver: their certificates over a lifetime."""
