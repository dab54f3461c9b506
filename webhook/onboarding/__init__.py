"""What `onboard` and `offboard` do: from a ServiceAccount to a pod that signs in, and back.

    desired_state what is wanted
    verdicts      what a step says, and the requests that it wants made: data
    permissions   names of Graph's application permissions
    marks         how it is known again what was made here
    application   the steps in the directory: application, service principal, permissions, consent
    account       the step in the cluster: namespace and ServiceAccount
    credential    the step between them: the federated identity credential
    proof         the last step: the ServiceAccount signs in
    removal       the same steps backwards
    requests      makes the requests, or prints them
    shell         a request as the command of a shell
    run, undo     the steps of `onboard` and of `offboard` in their order

`application`, `account`, `removal`, `permissions`, `marks` and `shell` are pure: they decide by what was read. So a run
can stop anywhere, and the next one goes on: it reads again.
"""
