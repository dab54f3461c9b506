"""What happens to a pod, and why: pure functions, with no server, cluster, environment, clock or files.

decision             what happens to a pod, and why: start reading here
review, pod_shape    the request, parsed and checked
response             the answer
selection            which pods are left alone
policy               what the settings decide for the whole cluster

identity             who the pod will be
reader, precedence   annotations read into settings, and which annotation counts
annotations          annotations, with the object that has them
formats              what a client id, a tenant and an audience look like
near_misses          annotations that have no effect where they are
likely_secrets       values that no message may show

mutation             the JSON Patch
volumes              which token file a container reads: the rule
container_view       what a container has for its token already
token_volumes        what is in the volumes with tokens
mount_paths          paths, compared as the kubelet understands them
references           variables that refer to others
variables, families  which variables a container gets, and which tool reads which

helper_containers    `m365-preflight` and `m365-token-endpoint`
helper_authorities, helper_place, helper_ports, helper_proxies, helper_resources, helper_security
                     what of them depends on the pod
helper_obstacles     why they cannot run in a pod
system_authorities   mounts where systems keep the authorities that they trust
mesh_exceptions      what a mesh leaves alone
own_containers       the pod's own containers, apart from helpers and meshes
endpoint_proxies     proxies that would take requests for the token endpoint out of the pod
quantities           100m, 64Mi

pod_warnings         warnings that depend on what a pod's containers are
messages             the table of all messages
text                 foreign text as one safe line
names, clouds, workload_kinds
                     labels, annotations, limits; Microsoft's clouds; kinds of objects with pods
"""
