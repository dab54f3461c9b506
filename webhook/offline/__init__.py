"""Manifests without a cluster: read as kubectl reads them, decided as the webhook decides, written back as they were.

    scalars     what a word of YAML means to kubectl
    nodes       a file as YAML: values, and where in the text each of them stands
    blocks      values as YAML text
    diffs       edits of a text, and how a unified diff shows them
    splice      additions put into a text of which nothing else changes
    manifests   files and folders: their objects, and what is wrong with them
    workloads   where each kind keeps its pod template, and what the webhook would do with it
    hints       what looks like an opt-in and is none
    outputs     the result as YAML, JSON, patch or diff

No parser's round trip is trusted with the user's text: it stays as it is, byte by byte, and gets what the patch adds.
The result is read again and compared with the patched values before anybody sees it.
"""
