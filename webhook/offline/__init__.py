"""Manifests without a cluster. `mutate` decides as the webhook decides, and writes them back with the additions.

    workloads   what the webhook would do with the pods of each object
    hints       mistakes with the label that a webhook never sees
    operators   objects whose pods an operator makes
    splice      additions put into a text of which nothing else changes
    diffs       edits of a text, and a unified diff of them
    outputs     the result as YAML, JSON, JSON Patch or diff
    explain     why the webhook decides as it does, for people
    lint        what is wrong with them, for CI: a package of its own above the others

webhook.documents reads the files. No parser's round trip is trusted with the user's text: the text stays as it is, byte
by byte, and gets what the patch adds. The result is parsed again and compared with the patched values before it is
printed.
"""
