"""The commands of `m365-identity`, one module each: `add_arguments(parser)` and `run(flags, environ) -> exit code`.

A module is imported only if its command is run. Several commands use `options` (flags), `output`, `signals` (how a
signal ends a command) and `readiness` (waiting until everything works). `serve` uses `managed_identity` (the protocol)
and `endpoint` (the server).
"""
