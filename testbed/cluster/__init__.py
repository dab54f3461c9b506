"""A real Kubernetes control plane, built from Go modules. It needs neither root nor Docker, and listens on loopback.

build, toolchain       builds etcd and Kubernetes; finds or fetches Go
control_plane, etcd    a control plane; what a test does to its store
pki, kubeconfig        its certificates; kubeconfig files
processes              processes that never outlive the tests; `wait_until`
fixtures, selection    the fixtures of tests; which clusters they run against
cluster, api           what tests may do with any cluster; a client that shows the raw answer
relay                  a relay in front of an API server, which a test can cut or hold up
registration           registers the webhook as the chart does
situation              what the workloads of a namespace do, for the message of a wait that failed
pods, states           what most tests create; a cluster with every state that `check -A` knows
"""
