"""The commands of `m365-identity`, a module each: `add_arguments(parser)` and `run(flags, environ) -> exit code`.

A module is imported only when its command is asked for. What several of them use is in `options` (flags), `output`,
`signals` (ending when told to) and `readiness` (waiting until all works); what `serve` serves is in `managed_identity`
(the protocol) and `endpoint` (the server).
"""
