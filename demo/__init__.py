"""`make demo`: the webhook as a real process, and pods sent to it as kube-apiserver sends them."""
