"""`make demo`: a real webhook process, and pods that are sent to it as kube-apiserver sends them."""
