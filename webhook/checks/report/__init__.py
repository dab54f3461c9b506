"""The report of a whole cluster: `check -A`.

    gather                the questions to the API server: lists, a page at a time
    tally                 each object as it comes, sorted into rows and problems; it keeps none of the pods
    refused               pods that do not exist, because kube-apiserver refused them: from events
    rows                  what the report is made of
    credentials           Entra's side of the rows
    groups                pods of one owner of which the same is to be said
    shown                 as text and as JSON
    page                  as one HTML file

Only `gather` talks to the API server; the rest is pure.
"""
