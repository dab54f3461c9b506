"""YAML and JSON manifests, read as kubectl reads them, with the position of each value.

    scalars      what a word of YAML means to kubectl
    nodes        a text as YAML: its values, and where in the text each of them stands
    json_places  where the values of a JSON text are
    blocks       values as YAML text
    files        files and folders: their objects, and all that is wrong with them
    metadata     labels and annotations, which have to be text

`mutate`, `serve --accounts` and the check of a kubeconfig read with it.
"""
