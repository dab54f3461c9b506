"""How fast the webhook is, as ratios to a usual Go webhook that is measured in the same run: `python -m bench`.

endpoint               the review endpoint, on one core
cluster                pods a second through a real kube-apiserver
compare, before        two versions of our webhook; this checkout and the commit before it
parts                  the processor time of a review, by part
memory, crowd          what the webhook holds in memory; what many connections hold
soak                   whether memory grows in a long run
scale, replicas        many ServiceAccounts; two replicas
traces, whole_cluster  what traces cost; what `check -A` takes

webhooks, installed, in_pod
                       our webhook and the reference as processes; ours as in a pod
programs               the Go programs, built once
generator, posts       the load
pods, accounts         what is posted; ServiceAccounts by the ten thousand
machine, report        the machine; the report
"""
