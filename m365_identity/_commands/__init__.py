"""The commands of `m365-identity`, one module each: `add_arguments(parser)` and `run(flags, environ) -> exit code`.

`program` runs them, and imports a command's module only if it is run. Several commands use `options` (flags), `output`,
`ending` and `signals` (how a signal ends a command) and `readiness` (waiting until everything works); `unknown` knows
what was meant by a misspelt word. `serve` uses `managed_identity` (the protocol), `endpoint` (the server) and
`request_head` (its parser). `serve` and `canary` have `metrics_port`; `canary_rounds` is what `canary` does.
"""
