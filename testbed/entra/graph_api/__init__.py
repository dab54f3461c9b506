"""Microsoft Graph's directory: applications, service principals, consent. One module for each kind of object.

A module has ROUTES: methods and paths, and functions that get a `Context` and the keys of the path. Each says in its
docstring what is documented (learn.microsoft.com/graph/api), what was reported by users, and what is assumed.

directory_api          finds the function for a request, and calls it
context, paths         one request; its path
filters, errors        `$filter`; Graph's errors
applications, federated_credentials, service_principals, consent, users
                       one kind of object each
"""
