"""`lint`: what is wrong with manifests, before they reach a cluster.

    reading      files and folders: what is a manifest in them, and what cannot be read
    objects      one object and its pod templates
    accounts     the ServiceAccount of a pod among the files, and what is wrong with each
    pods         what is wrong with a pod template: the webhook's own decision, and what it never sees
    misplaced    labels and annotations on objects that they have no effect on
    leftovers    values that a template was to fill in
    kustomize    labels of a kustomization
    meshes       a mesh that takes the network away from `m365-preflight`
    places       where in the files a message of the webhook stands
    ignores      what is on purpose
    findings     one thing that is wrong, with its place
    linting      all of them, in order
    outputs      the result as text, JSON and workflow commands of GitHub
    sarif, junit  the result in these formats
    explained    what a code means

Each rule is a row of the table of messages; those that admission and `check` have, too, are their rows.
"""
