"""WI6xx: what comes of the pod that `check` creates by dry run, and of kube-apiserver's call of the webhook."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

INJECTED: Final = Kind(
    "WI631",
    Severity.OK,
    "{pod} that is created in namespace {namespace} by dry run is injected",
    help="The whole way works, from the selectors to the look-up of the ServiceAccount. Nothing was stored.",
)
WEBHOOK_PODS_NOT_READY: Final = Kind(
    "WI632",
    Severity.WARNING,
    "Calls to {object} succeed, with {replicas}",
    fix="find out why before the other pods fail: {look}",
    help="One ready pod is enough to answer. If it fails too, labelled pods are refused.",
)
CALL_SKIPPED: Final = Kind(
    "WI633",
    Severity.SKIPPED,
    "No pod was created by dry run: kube-apiserver would not call the webhook",
    help="Fix what the findings above name, then run `check` again.",
)
ADMITTED_CALL_FAILED: Final = Kind(
    "WI634",
    Severity.ERROR,
    "{pod} is admitted without an identity: failurePolicy of {entry} is Ignore, and the call to {object} fails: "
    "{reason}",
    fix="{look}; `m365wi certs` shows whether kube-apiserver trusts it; with failurePolicy Fail, as the "
    "chart has it for labelled pods, kube-apiserver reports the reason",
    help="kube-apiserver reports no reason for a call whose failure it ignores; this one is read off the objects.",
)
ADMITTED_NOT_INJECTED: Final = Kind(
    "WI635",
    Severity.ERROR,
    "{pod} is admitted without an identity: the webhook was called and did not change it, or kube-apiserver does not "
    "use the configuration yet",
    fix="run `check` again; if that does not help, compare --scope and --own-namespace of the webhook with the "
    "selectors of the configuration",
    help="The webhook checks the scope again by its own settings, which may differ from the selectors.",
)
REFUSED_CALL_FAILED: Final = Kind(
    "WI636",
    Severity.ERROR,
    "{pod} is refused by the webhook's ValidatingAdmissionPolicy, because it has no identity: failurePolicy of {entry} "
    "is Ignore, and the call to {object} fails: {reason}",
    fix="{look}; `m365wi certs` shows whether kube-apiserver trusts it; with failurePolicy Fail, as the "
    "chart has it for labelled pods, kube-apiserver reports the reason",
    help="The policy refuses labelled pods that the webhook did not inject.",
)
REFUSED_NOT_INJECTED: Final = Kind(
    "WI637",
    Severity.ERROR,
    "{pod} is refused by the webhook's ValidatingAdmissionPolicy, because it has no identity: the webhook was called "
    "and did not change it, or kube-apiserver does not use the configuration yet",
    fix="run `check` again; if that does not help, compare --scope and --own-namespace of the webhook with the "
    "selectors of the configuration",
    help="The policy refuses labelled pods that the webhook did not inject.",
)
TOKEN_FILE_WITHOUT_VOLUME: Final = Kind(
    "WI638",
    Severity.ERROR,
    "{pod} is refused by the webhook's ValidatingAdmissionPolicy: it sets {variable} itself, and no container has a "
    "volume there",
    fix="remove {variable} from the container, and the webhook adds variable and volume; or mount a volume there",
    help="The webhook does not change a container that sets the variable. The policy checks that there is a volume.",
)
POLICY_REFUSES: Final = Kind(
    "WI639",
    Severity.ERROR,
    'the pod is labelled azure.workload.identity/use: "true" and was given no token: the webhook {name} was not asked '
    "or did not answer, or AZURE_FEDERATED_TOKEN_FILE was set by hand and names a file outside its volumes",
    fix="create the pod again; if that does not help, ask your platform engineer to run `m365wi check`",
    help="kube-apiserver says this itself, by the chart's ValidatingAdmissionPolicy; `check` knows it by its code.",
)
OLD_CONNECTION: Final = Kind(
    "WI640",
    Severity.ERROR,
    "Calls to {object} succeed only over a connection that kube-apiserver opened before, and no new one can be opened: "
    "{reason}",
    fix="{remedy}",
    help="kube-apiserver keeps its connections for a while. Labelled pods are refused as soon as it opens a new one.",
)

NO_SERVICE: Final = Kind(
    "WI641",
    Severity.ERROR,
    "{object} does not exist, so kube-apiserver cannot call the webhook",
    fix="restore it: {restore}; after an uninstallation: kubectl delete mutatingwebhookconfiguration {configuration}",
    help="The webhook configuration names a Service that is gone. Labelled pods are refused meanwhile.",
)
NO_PORT: Final = Kind(
    "WI642",
    Severity.ERROR,
    "{object} has no port {port}, which the webhook configuration names",
    fix="set both to the same port: {remedy}",
    help="Service and webhook configuration have to name the same port.",
)
WRONG_TARGET: Final = Kind(
    "WI660",
    Severity.ERROR,
    "{object} does not lead to the webhook: {reason}",
    fix="{remedy}",
    help="targetPort of the Service is not the port at which the pods answer reviews. kube-apiserver's connections of "
    "before may still work.",
)
NO_SELECTOR: Final = Kind(
    "WI667",
    Severity.WARNING,
    "{object} has no selector, so Kubernetes does not keep its addresses: the next roll-out leaves it with old ones",
    fix="{remedy}",
    help="Kubernetes writes the EndpointSlices of a Service by its selector. Somebody has taken it away.",
)
ACCOUNT_OF_WEBHOOK: Final = Kind(
    "WI669",
    Severity.ERROR,
    "The pods of {object} are not signed in to the API server: {reason}",
    fix="{remedy}",
    help="The webhook reads ServiceAccounts by its own token. A token ends with the ServiceAccount that it is of, even "
    "if another one of that name is made.",
)
NO_ENDPOINTS: Final = Kind(
    "WI643",
    Severity.ERROR,
    "{object} has no ready endpoints; {replicas}",
    fix="{remedy}",
    help="No pod of the webhook is ready. Labelled pods are refused until one is.",
)
CONNECTION_REFUSED: Final = Kind(
    "WI644",
    Severity.ERROR,
    "Nothing listens at {object}: connection refused",
    fix="{look}",
    help="The host can be reached, but no program accepts connections on the port.",
)
UNREACHABLE: Final = Kind(
    "WI645",
    Severity.ERROR,
    "kube-apiserver cannot reach {object}: {reason}",
    fix="open the network from the control plane to the webhook's port: firewall rule, CNI, NetworkPolicy{policies}",
    help="The control plane needs a way to the pods of the webhook. docs/install.md has it by kind of cluster.",
)
NOT_TRUSTED: Final = Kind(
    "WI646",
    Severity.ERROR,
    "kube-apiserver does not trust the certificate that {object} serves: {reason}",
    fix="`m365wi certs` shows who signs, who is trusted and what is served; a running replica corrects "
    "caBundle within a minute, unless RBAC forbids it or another tool writes caBundle (docs/certificates.md)",
    help="kube-apiserver trusts the authorities in caBundle of the webhook configuration and no others.",
)
CERTIFICATE_EXPIRED: Final = Kind(
    "WI647",
    Severity.ERROR,
    "The certificate that {object} serves expired on {end}",
    fix="`m365wi certs` shows what is served; compare the clocks of the nodes with that of kube-apiserver, "
    "then restart the webhook's pods",
    help="The webhook renews its certificates long before their end, so a clock may be wrong.",
)
CERTIFICATE_NOT_YET_VALID: Final = Kind(
    "WI648",
    Severity.ERROR,
    "The certificate that {object} serves is not valid yet",
    fix="`m365wi certs` shows what is served; compare the clocks of the nodes with that of kube-apiserver, "
    "then restart the webhook's pods",
    help="The clock of the webhook's node is ahead of that of kube-apiserver.",
)
CERTIFICATE_FOR_ANOTHER_NAME: Final = Kind(
    "WI649",
    Severity.ERROR,
    "The certificate that {object} serves is for another name: {reason}",
    fix="set --service, --own-namespace and --extra-names of the webhook to what the webhook configuration calls; with "
    "certificates in files, have one issued for {host}",
    help="kube-apiserver compares the certificate with SERVICE.NAMESPACE.svc, or with the host of the URL.",
)
NO_TLS: Final = Kind(
    "WI650",
    Severity.ERROR,
    "{object} answers without TLS: {reason}",
    fix="let the webhook configuration, and targetPort of its Service, lead to the port of the reviews (9443 in the "
    "pod), not to that of probes and metrics: {restore}",
    help="Only the port of the reviews speaks TLS.",
)
TIMEOUT: Final = Kind(
    "WI651",
    Severity.ERROR,
    "{object} did not answer within {seconds} s; {replicas}",
    fix="{look}; check firewalls and NetworkPolicies between control plane and pods, which drop connections without an "
    "answer{policies}; check that the pods reach the API server, without which they answer late",
    help="The connection was dropped on the way, or the webhook hangs.",
)
CUT_OFF: Final = Kind(
    "WI652",
    Severity.ERROR,
    "{object} closed the connection without an answer: {reason}",
    fix="{look}",
    help="The webhook was stopped in the middle of the call, or something else answers at its address.",
)
CANNOT_DECIDE: Final = Kind(
    "WI653",
    Severity.ERROR,
    "{object} answers that it cannot decide (HTTP 503): it is not ready, or it cannot read ServiceAccounts; {replicas}",
    fix="{look}; its log says which, and so does /readyz: kubectl port-forward -n {own_namespace} {pod} 8080, then "
    "curl localhost:8080/readyz; check its RBAC: kubectl auth can-i get serviceaccounts -A --as={account}",
    help="The webhook answers 503 and not a wrong decision if it cannot read what it needs.",
)
MAY_NOT_READ_ACCOUNTS: Final = Kind(
    "WI654",
    Severity.ERROR,
    "The webhook ({object}) may not read ServiceAccounts: RBAC forbids {account} to `get` serviceaccounts",
    fix="restore its ClusterRole and ClusterRoleBinding: {restore}",
    help="The webhook reads the ServiceAccount of each pod. Without it, it answers 503.",
)
INTERNAL_ERROR: Final = Kind(
    "WI655",
    Severity.ERROR,
    "{object} failed with an internal error: {reason}",
    fix="{look}; and please report it",
    help="A bug of the webhook; its log has the traceback.",
)
WRONG_PATH: Final = Kind(
    "WI656",
    Severity.ERROR,
    "{object} does not know the path that kube-apiserver calls (HTTP 404)",
    fix="set the path in the webhook configuration to /mutate: {restore}",
    help="The webhook answers reviews at /mutate and at no other path.",
)
ANOTHER_PROGRAM: Final = Kind(
    "WI657",
    Severity.ERROR,
    "What answers at {object} is not this webhook: {reason}",
    fix="correct clientConfig of the webhook configuration: {restore}",
    help="The answer is not an AdmissionReview.",
)
DENIED: Final = Kind(
    "WI658",
    Severity.ERROR,
    "The webhook ({object}) refuses the pod: {reason}",
    fix="correct the annotation that the reason names; with --service-account or --workload, the finding about it has "
    "the command",
    help="Only mistakes in annotations are refused.",
)
CALL_FAILED: Final = Kind(
    "WI659",
    Severity.ERROR,
    "kube-apiserver cannot call {object}: {reason}",
    fix="{look}",
    help="kube-apiserver reports a reason that `check` does not know.",
)

CLIENT_CERTIFICATE_MISSING: Final = Kind(
    "WI671",
    Severity.ERROR,
    "the webhook answers only clients with a certificate of its --client-ca, and this one sent none",
    fix="give kube-apiserver a certificate for this webhook, see docs/client-certificates.md, or run the webhook "
    "without --client-ca",
    help="The webhook's answer (HTTP 403) to a client that may not ask. kube-apiserver passes it on; `check` knows it "
    "by its code.",
)
CLIENT_NAME_UNKNOWN: Final = Kind(
    "WI672",
    Severity.ERROR,
    "the client's certificate is for {names}, which is not in the webhook's --client-names",
    fix="give kube-apiserver a certificate with another name, or correct --client-names",
    help="The webhook's answer (HTTP 403) to a client that may not ask. kube-apiserver passes it on; `check` knows it "
    "by its code.",
)
CLIENT_SESSION_RESUMED: Final = Kind(
    "WI673",
    Severity.ERROR,
    "the client resumed a TLS session, and the webhook checks certificates in new ones only",
    fix="connect without a session of before",
    help="The webhook's answer to a client that may not ask (HTTP 403). kube-apiserver never resumes a session.",
)
SENDS_NO_CERTIFICATE: Final = Kind(
    "WI674",
    Severity.ERROR,
    "{object} answers only clients with a certificate (--client-ca), and kube-apiserver sends none",
    fix="have kube-apiserver use one for this webhook: docs/client-certificates.md has the AdmissionConfiguration; if "
    "the control plane is not yours to configure, leave the chart's clientCertificates out",
    help="Without --admission-control-config-file, kube-apiserver does not tell webhooks who it is.",
)
SENDS_ANOTHER_NAME: Final = Kind(
    "WI675",
    Severity.ERROR,
    "{object} does not answer clients of that name: {reason}",
    fix="correct clientCertificates.names of the chart (--client-names), or the kubeconfig that kube-apiserver uses",
    help="The certificate is of the right authority, but its names are not in --client-names.",
)
CERTIFICATE_REFUSED: Final = Kind(
    "WI676",
    Severity.ERROR,
    "{object} refuses the client certificate that kube-apiserver sends: {reason}",
    fix="compare it with the authorities in --client-ca: openssl verify -CAfile CA.crt -purpose sslclient CLIENT.crt",
    help="It is of another authority, has expired, or is not for clients. The webhook's log has OpenSSL's own reason.",
)
