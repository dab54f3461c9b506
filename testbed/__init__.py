"""What the tests, the demo and the benchmarks run against: a cluster, a node, replicas, and an emulator of Entra.

cluster        a real control plane, built from Go modules
node           a cluster with a node, for our image in real pods
fleet          replicas of the webhook behind one address
chart          Helm, and what it renders from our chart
entra          an emulator of Entra, Microsoft Graph and Azure Resource Manager
third_party    the tools that people run in a pod
corpus         public charts and manifests, for `lint`
prometheus, traces
               a real Prometheus; a collector of spans
registry       a container registry, cosign and crane
recorder       a transport without a network, for one connection of the webhook's server
"""
