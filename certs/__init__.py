"""The webhook's certificates: where they come from, how they are kept right, and what connections meet.

source        what every source of certificates is to the server
managed       the self-managed source, the usual one
files         a certificate that somebody else keeps in files
development   a certificate for development
serving       the certificate of new connections
clients       the authorities whose clients may ask

authority     makes an authority, signs a leaf certificate, verifies it
constraints   for which names an authority may sign
pem           reads and writes PEM
names         the names of a Service
clock         time and chance, passed in
lasting       a problem that lasts over many readings of a file
messages      the table of what is reported to people
errors        what can go wrong
"""
