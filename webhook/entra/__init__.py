"""What Entra asks for: federated identity credentials, and an issuer that it can read.

federated_credential   the credential that a ServiceAccount needs, and how it is written down
needs                  what all ServiceAccounts of a cluster need
account_lists          reads these ServiceAccounts
comparison             what is in Entra, compared with what is needed
plan, explanations     the comparison for each application, and doing it; what it means in words
az_commands            the same as commands of `az`
mark                   how a credential says that this program made it

issuers                whether Entra can use an issuer
cluster_documents      the issuer's documents in the cluster
public_documents       the same documents on the internet, compared with those of the cluster
published              fetches them

sign_in, sessions      signs in as the caller; HTTP sessions to Microsoft
rest, failures         Microsoft Graph and Azure Resource Manager; what goes wrong with them
applications           applications and managed identities with their credentials
directory              reads applications, service principals and app roles
registrations          what was read there
trial_sign_in, waiting whether a ServiceAccount can sign in, by doing it; until it can
"""
