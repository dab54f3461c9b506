"""The checks of `m365-identity doctor`: every link from the environment to Microsoft Graph, one idea a module.

A check is a function that takes what is known so far (`Found`), adds to it, and yields its findings (`LinkFinding`).
`walk` runs the table of checks in order. A check whose needs are not met is skipped with the reason; the others still
run. No finding holds a token, an assertion or a password.

    result                                        what a check finds
    found                                         what is known so far
    mounts, certificates                          pure: what they need is passed in
    settings, variables, provider, authorities    the environment
    file, assertion, lifetime                     the token file and what is in it
    network                                       proxy, name, connection, TLS: of the login host and of Graph
    login, exchange, access_token, graph          requests over it
    walk                                          the table
"""

from m365_identity._checks.found import Found
from m365_identity._checks.result import LinkResult, LinkStatus
from m365_identity._checks.walk import walk

__all__ = ["Found", "LinkResult", "LinkStatus", "walk"]
