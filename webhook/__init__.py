"""The admission webhook: pods of an annotated ServiceAccount sign in to Microsoft 365 with no secret.

Layers, innermost first; each imports only what stands before it (checked by import-linter):

    names, clouds                         constants of the contract
    review, identity, selection           what is asked
    variables, volumes, mutation          what is added
    decision                              what is answered
    accounts, reviewer                    the ServiceAccount is found and the review is answered
    kube, settings, metrics, logs         adapters to the outside
    server, worker, operations            HTTP
    commands                              `python -m webhook COMMAND`
"""

__version__ = "0.1.0"
