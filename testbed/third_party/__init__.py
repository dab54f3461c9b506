"""The tools that people run in a pod, as their makers publish them: SDKs of five languages, command lines, Terraform.

`make test-tools` builds them and runs tests/third_party, which writes docs/tools.md. `make test` has no part in it.

    build      downloads and builds them, pinned, into the user's cache
    pod        a stand-in for a pod: a network, a hosts file and a folder for the token of its own
    injected   the variables and the helper container that the webhook's decision gives to a container
    rows       what is tried: the rows of docs/tools.md
    versions, apis, providers, az
               which versions; what the tools call; Terraform's providers; az, in a cloud of its own
    page       writes docs/tools.md
"""
