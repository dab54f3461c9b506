"""What is wrong with a live cluster, one sentence and one fix for each broken state.

    registration, refusals, installation, accounts, workloads, pods    pure: what is found becomes a sentence
    given, words                                                       pure: what these need
    asking, probe, walk                                                ask the API server

A pod that is created by dry run is the judge; the webhook configuration, the Service and its pods say why.
"""
