"""An emulator of login.microsoftonline.com and graph.microsoft.com: real TLS servers in this process, nothing mocked.

    from testbed.entra import running

    with running() as entra:
        app = entra.application(roles=["Organization.Read.All"])
        app.federate(issuer=entra.issuer.url, subject="system:serviceaccount:shop:terraform")
        token = entra.issuer.token(subject="system:serviceaccount:shop:terraform")
        ...                                     # exchange it at entra.login, call entra.graph, trusting entra.ca_file
        assert entra.exchanges[-1].code is None

Addresses: `entra.login`, `entra.graph`, `entra.ca_file`, `entra.graph_scope`; `entra.environment(app, token_file=…)` is
what a pod has. Clients that insist on Microsoft's names come through `testbed.entra.proxy` with `entra.routes`.
What it knows: `application`, `tenant`, `app.federate(…, delay=40)`, then `entra.clock.advance(40)`, `app.roles = …`.
Whose tokens: `entra.issuer`, `entra.add_issuer("/x/")`, `entra.trust_jwks(…)`, `entra.fetch_from(issuer, url, ca)`.
What goes wrong: `entra.next("login", code=700213, times=2)`, `entra.next("graph", status=503, retry_after=1)`,
`held = entra.next(slow=math.inf)`, `held.reached.wait(10)`, `held.release()`, `entra.clear()`. `Entra.next` has all.
What else a test may set: `entra.behaviour`. What was asked: `entra.requests`, `entra.exchanges`, `entra.calls`.

Limits: applications sign in with assertions only; no users, no CAE events; only what it serves is in its Graph.
For people: `python -m testbed.entra --help`.
"""

from testbed.entra.directory import TENANT_ID, Application, FederatedCredential
from testbed.entra.emulator import Entra, Listening, running
from testbed.entra.faults import Fault
from testbed.entra.issuer import Issuer, SigningKey
from testbed.entra.messages import Asked

__all__ = [
    "TENANT_ID",
    "Application",
    "Asked",
    "Entra",
    "Fault",
    "FederatedCredential",
    "Issuer",
    "Listening",
    "SigningKey",
    "running",
]
