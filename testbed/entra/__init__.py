"""An emulator of login.microsoftonline.com and graph.microsoft.com: real TLS servers in this process, nothing mocked.

    from testbed.entra import running

    with running() as entra:
        app = entra.application(roles=["Organization.Read.All"])
        app.federate(issuer=entra.issuer.url, subject="system:serviceaccount:shop:terraform")
        token = entra.issuer.token(subject="system:serviceaccount:shop:terraform")
        ...                                     # exchange it at entra.login, call entra.graph, trusting entra.ca_file
        assert entra.exchanges[-1].code is None

| addresses | `entra.login`, `entra.graph`, `entra.ca_file`, `entra.graph_scope` |
| a pod's variables | `entra.environment(app, token_file=…)` |
| Microsoft's own names | `testbed.entra.proxy` with `entra.routes` |
| directory | `entra.application`, `entra.tenant`, `app.federate(…, delay=40)`, `entra.clock.advance(40)` |
| written by Graph | `entra.user`, `entra.managed_identity`, `entra.token(app or user)`, `entra.settings` |
| issuers | `entra.issuer`, `entra.add_issuer("/x/")`, `entra.trust_jwks(…)`, `entra.fetch_from(issuer, url, ca)` |
| faults | `entra.next("login", code=700213, times=2)`, `entra.next("graph", status=503)`, `entra.clear()` |
| a fault that waits | `held = entra.next(slow=math.inf)`, `held.reached.wait(10)`, `held.release()`; see `Entra.next` |
| lifetimes and clock skew | `entra.behaviour` |
| log of requests | `entra.requests`, `entra.exchanges`, `entra.calls` |

Limits: applications sign in with assertions and secrets. CAE events are missing.
On the command line: `python -m testbed.entra --help`.

What is inside:

    emulator                  the emulator as a whole
    servers, server           its servers; one of them
    listening, connections, tls, clouds
                              addresses, threads, certificates and host names of these
    messages, faults, clock   requests and their log; what goes wrong on demand; the time
    configuration             the file of `python -m testbed.entra`

    login, token_endpoint     the login server; who gets a token
    assertion, keys           what a client sends to sign in; the keys by which it is verified
    access_token              what it gets
    user_sign_in              how users sign in
    aadsts, rare_errors       Entra's errors: those of an application, and the others

    directory, principals     tenants and applications; what belongs to an application
    credentials, permissions  federated identity credentials; permissions of Graph
    graph, graph_api, api     Microsoft Graph; its directory; another API
    arm, portal               Azure Resource Manager; the part of the portal that az calls

    issuer                    an issuer of tokens, as a cluster has one
    proxy                     a proxy for HTTPS_PROXY
    client                    a client without an SDK, for the emulator's own tests
"""

from testbed.entra.directory import TENANT_ID, Application, FederatedCredential
from testbed.entra.emulator import Entra, Listening, running
from testbed.entra.faults import Fault
from testbed.entra.issuer import Issuer, SigningKey
from testbed.entra.messages import Asked
from testbed.entra.principals import User

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
    "User",
    "running",
]
