"""A fleet of webhook replicas behind one address, against a real kube-apiserver: their certificates over a lifetime.

installation           what the chart installs, without the webhook's processes
fleet                  these processes: the replicas
balancer               one address in front of the replicas that are ready, as a Service is
clocks                 a replica whose clocks a test sets
traffic                pods and connections in a steady stream
watching               every state of an object that the API server has shown
outage                 an API server that is away for ten minutes
measure                what certificates cost
privacy                looks for keys in all that a replica leaves behind
"""
