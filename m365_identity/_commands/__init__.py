"""The commands of `m365-identity`, one module each: `add_arguments(parser)` and `run(flags, environ) -> exit code`.

token, whoami, doctor, preflight, exec, serve, canary
                   the command of that name
program            runs them, and imports a command's module only if it is run
options            flags that several commands have
unknown            what was meant by a misspelt word
output             what a command writes
ending, signals    how a signal ends a command
termination        the reason of a failure, for the pod's status
readiness          waits until everything works: `preflight`, and `exec` before its command

managed_identity   the protocol of `serve`
endpoint           its server
bounded_requests   what its two servers have in common
request_head       the parser of both
metrics_port       the metrics of `serve` and `canary`
canary_rounds      what `canary` does again and again
"""
