"""The cluster that is asked: the API server, and the kubeconfig that leads to it. Only here is `kubernetes` imported.

kube                                one connection: requests, lists, what an answer means
troubles, refused_credential        why an answer is missing; why a credential is not accepted
kubeconfig, kubeconfig_entries      a kubeconfig as kubectl reads it; what is wrong with one of its entries
credential_plugin                   the program that a kubeconfig signs in with
proxies                             the proxy on the way
certificate_objects                 the Secret and the configuration, as `certs` wants them
"""
