"""The self-managed certificate source: an authority in a Secret, a leaf certificate in memory, trust in caBundle.

source            the loop: read, decide, do; every 30 seconds
reader            reads the two objects
next_step         what to do next: pure
steps             the steps, and what they depend on
perform           does a step

secret            the Secret, as it is read
secret_changes    the Secret after each change
ca_bundle         the caBundles of the webhook configuration
refusal           which authorities in the Secret are refused
installation      whether the two objects are those of another installation
by_hand           what a person asks of a running installation

report, advice    what people read: when, and which row of the table
self_dial         a new connection to ourselves
pause             how long the loop waits
settings          how long everything lives
"""
