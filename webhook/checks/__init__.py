"""What `check` finds in a live cluster.

    order                        the questions to the API server, in their order
    api, probe                   one question: for an object, for a list; a pod that is created by dry run
    registration, drift          the webhook configuration; what of it is not the chart's
    installation                 what is behind it: the webhook's Service and pods
    service_ports, replicas      the port of the Service; the pods
    behind                       reads Service, EndpointSlices, pods and Deployment
    refusals, explanations       kube-apiserver's words if a pod is not created, by kind; the finding for each kind
    accounts, workloads          a ServiceAccount; an object with pods
    pods, differences, new_pod   running pods, compared with a new one
    sign_ins                     pods that cannot sign in, by their status
    entra                        Entra's side of a ServiceAccount
    selectors, timestamps        how Kubernetes writes label selectors and times

    before, prerequisites        the questions before an installation; what the answers mean
    rights                       what an installation needs to be allowed, from what is installed (chart.yaml)
    report                       the report of a whole cluster

Whether a pod gets its identity is seen in one that is created by dry run. All other objects are read to find the cause.
Only `order`, `api`, `probe`, `behind`, `before` and `report.gather` talk to the API server; the rest is pure. Each
finding is a row of the tables in `webhook.core.messages`: checks, calls, workloads, cluster_report and prerequisites.
"""
