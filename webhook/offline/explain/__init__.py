"""Why the webhook decides as it does: for a person who has a manifest and a question.

    settings      each setting of an identity, its value, and where the value comes from
    pods          what a pod will have: the variables and the token file of each container
    rules         the rules that decide, in words
    explanation   all of it for a text with manifests
    as_text       an explanation for a terminal
    forms         the settings that one may change on the page
    pages         an explanation as a web page, and the page on which one pastes the text

Nothing is decided here: `webhook.offline.workloads` decides as the webhook does.
"""
