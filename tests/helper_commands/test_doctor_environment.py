"""`doctor` and the environment: contradictions, what keeps SDKs from the token, what the provider stumbles over; and
proxies and certificates by themselves."""

import datetime as dt

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from requests.utils import should_bypass_proxies

from certs.authority import make_leaf
from m365_identity._checks import Found, LinkStatus, network
from m365_identity._checks.certificates import Certificate, from_der, is_foreign, verified
from m365_identity._checks.found import Site
from m365_identity._checks.provider import provider
from m365_identity._checks.result import LinkFinding
from m365_identity._checks.settings import cloud
from m365_identity._checks.variables import contradictions, others
from m365_identity._network.proxies import excluded, proxy_for
from testbed.node.authority import authority
from tests.helper_commands.doctor_support import found, one

pytestmark = pytest.mark.slow

CLIENT = "66666666-7777-4888-9999-000000000000"
OTHER = "99999999-7777-4888-9999-000000000000"
FILE = "/var/run/secrets/azure/tokens/azure-identity-token"
INJECTED = {
    "AZURE_FEDERATED_TOKEN_FILE": FILE,
    "M365_CLIENT_ID": CLIENT,
    "M365_TENANT_ID": "contoso.com",
    "M365_AUTH_METHOD": "workload_identity",
    "M365_CLOUD": "public",
    "AZURE_CLIENT_ID": CLIENT,
    "AZURE_TENANT_ID": "contoso.com",
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
}
"""As the webhook injects it."""
ARM_FILE = {"ARM_OIDC_TOKEN_FILE_PATH": FILE}
ARM = {"ARM_USE_OIDC": "true", **ARM_FILE}


def contradicting(**changes: str) -> list[LinkFinding]:
    """What is said of the injected variables with these changes."""
    known = Found(environ=INJECTED | changes)
    list(cloud(known))
    return list(contradictions(known))


def test_what_the_webhook_injects_is_well() -> None:
    """None of the three has anything to say."""
    assert [finding.status for finding in contradicting()] == [LinkStatus.OK]
    assert one(others, Found(environ=INJECTED)).status is LinkStatus.OK
    assert one(provider, Found(environ=INJECTED)).status is LinkStatus.OK


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"AZURE_CLIENT_ID": OTHER}, f"M365_CLIENT_ID is {CLIENT} and AZURE_CLIENT_ID is {OTHER}"),
        ({"AZURE_TENANT_ID": "fabrikam.com"}, "M365_TENANT_ID is contoso.com and AZURE_TENANT_ID is fabrikam.com"),
        ({"M365_OIDC_TOKEN_FILE_PATH": "/other"}, "M365_OIDC_TOKEN_FILE_PATH is /other and AZURE_FEDERATED_TOKEN_FILE"),
        ({"AZURE_CLOUD": "china"}, "M365_CLOUD is public and AZURE_CLOUD is china"),
        ({"M365_CLOUD": "gcchigh"}, "the cloud gcchigh signs in at https://login.microsoftonline.us/"),
    ],
)
def test_variables_that_contradict_each_other_are_warned_about(changes: dict[str, str], says: str) -> None:
    """Both values are shown; it can be intended, so it is not a failure."""
    (finding,) = contradicting(**changes)
    assert finding.status is LinkStatus.WARN
    assert says in finding.detail
    assert finding.fix


@pytest.mark.parametrize(
    "changes",
    [
        {"AZURE_CLIENT_ID": f" {CLIENT.upper()}\n"},
        {"AZURE_CLIENT_ID": ""},
        {"AZURE_CLOUD": "AzureCloud"},
        {"AZURE_AUTHORITY_HOST": "login.microsoftonline.com"},
        {"AZURE_AUTHORITY_HOST": "https://login.windows.net"},
        {"AZURE_AUTHORITY_HOST": "https://entra.example"},
        {"M365_OIDC_TOKEN_FILE_PATH": FILE},
    ],
)
def test_variables_that_say_the_same_do_not_contradict_each_other(changes: dict[str, str]) -> None:
    """The same in another form, empty, or not about the same."""
    assert [finding.status for finding in contradicting(**changes)] == [LinkStatus.OK]


@pytest.mark.parametrize(
    "environ",
    [
        {name: value for name, value in INJECTED.items() if not name.startswith("AZURE_C")}
        | {"AZURE_CLIENT_SECRET": "x", "AZURE_CLIENT_CERTIFICATE_PATH": "y"},
        INJECTED | {"AZURE_PASSWORD": "x"},
        INJECTED | {"ARM_CLIENT_SECRET": "x", "POWER_PLATFORM_CLIENT_SECRET": "y", "AZURE_SECRET": "z"},
        INJECTED | ARM | {"ARM_CLIENT_SECRET": " ", "AZURE_CLIENT_SECRET": ""},
    ],
)
def test_a_secret_that_no_program_reads_keeps_nothing_from_the_token(environ: dict[str, str]) -> None:
    """Something that it needs is not set, or the tools sign in with nothing else."""
    assert one(others, Found(environ=environ)).status is LinkStatus.OK


@pytest.mark.parametrize(
    ("changes", "says", "fix"),
    [
        ({"AZURE_CLIENT_SECRET": "hush"}, "signs in with a client secret before", "unset AZURE_CLIENT_SECRET"),
        (
            {"AZURE_CLIENT_CERTIFICATE_PATH": "/hush"},
            "with a certificate before",
            "unset AZURE_CLIENT_CERTIFICATE_PATH",
        ),
        ({"AZURE_PASSWORD": "hush", "AZURE_USERNAME": "hush"}, "with a user's password before", "unset AZURE_PASSWORD"),
        (
            {"AZURE_TOKEN_CREDENTIALS": "dev"},
            "is dev: DefaultAzureCredential leaves the token out",
            "unset AZURE_TOKEN",
        ),
        (
            {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"},
            "leaves the token out",
            "WorkloadIdentityCredential",
        ),
        ({"IDENTITY_ENDPOINT": "http://10.0.0.1/hush"}, "ManagedIdentityCredential asks it", "unset IDENTITY_ENDPOINT"),
        ({"IDENTITY_ENDPOINT": "http://[hush"}, "ManagedIdentityCredential asks it", "unset IDENTITY_ENDPOINT"),
        ({"MSI_ENDPOINT": "http://127.0.0.1/hush"}, "ManagedIdentityCredential asks it", "unset MSI_ENDPOINT"),
        ({"AZURE_REGIONAL_AUTHORITY_NAME": "westeurope"}, "AADSTS100007", "unset AZURE_REGIONAL_AUTHORITY_NAME"),
        ({"MSAL_FORCE_REGION": "westeurope"}, "AADSTS100007", "unset MSAL_FORCE_REGION"),
        ({"ARM_CLIENT_SECRET": "hush", **ARM}, "azurerm and azapi prefer it", "unset ARM_CLIENT_SECRET"),
        ({"ARM_OIDC_TOKEN": "hush", **ARM}, "refuse to start with both", "unset ARM_OIDC_TOKEN"),
        (
            {"POWER_PLATFORM_CLIENT_SECRET": "hush", "POWER_PLATFORM_USE_OIDC": "true", **ARM_FILE},
            "Power Platform's provider",
            "unset POWER_PLATFORM_CLIENT_SECRET",
        ),
        ({"AZURE_SECRET": "hush", "AZURE_TENANT": "contoso.com"}, "Ansible prefer", "unset AZURE_SECRET"),
    ],
)
def test_what_keeps_sdks_from_the_token(changes: dict[str, str], says: str, fix: str) -> None:
    """The variable is named, what it holds is not."""
    finding = one(others, Found(environ=INJECTED | changes))
    assert finding.status is LinkStatus.WARN
    assert finding.detail.startswith(next(iter(changes)))
    assert says in finding.detail
    assert "hush" not in finding.detail
    assert fix in finding.fix


@pytest.mark.parametrize("value", ["prod", "PROD", "WorkloadIdentityCredential", " "])
def test_chains_that_have_the_token(value: str) -> None:
    """Narrowed to what is meant."""
    assert one(others, Found(environ={"AZURE_TOKEN_CREDENTIALS": value})).status is LinkStatus.OK


def test_our_own_managed_identity_endpoint_is_well() -> None:
    """`serve` stands on the loopback, and gives tokens of the same application."""
    finding = one(others, Found(environ={"IDENTITY_ENDPOINT": "http://127.0.0.1:8461/msi/token"}))
    assert finding.status is LinkStatus.OK
    assert "m365-identity serve" in finding.detail


@pytest.mark.parametrize(
    ("proxies", "named"),
    [
        ({"HTTP_PROXY": "http://proxy.example:3128"}, "HTTP_PROXY"),
        ({"http_proxy": "proxy:1", "HTTP_PROXY": "proxy:2", "NO_PROXY": "localhost"}, "http_proxy"),
        ({"ALL_PROXY": "socks5://proxy.example:1080", "NO_PROXY": "127.0.0.1", "no_proxy": ".svc"}, "ALL_PROXY"),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "HTTPS_PROXY"),
        ({"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "127.0.0.0/8"}, "HTTP_PROXY"),
        ({"HTTP_PROXY": "http://proxy.example:3128", "no_proxy": "*"}, "HTTP_PROXY"),
        ({"HTTP_PROXY": "http://proxy.example:3128", "no_proxy": "localhost 127.0.0.1"}, "HTTP_PROXY"),
    ],
)
def test_a_proxy_that_gets_the_requests_for_our_own_endpoint_is_named(proxies: dict[str, str], named: str) -> None:
    """They have IDENTITY_HEADER in them. What the proxy's variable holds may be a password."""
    finding = one(others, Found(environ={"IDENTITY_ENDPOINT": "http://127.0.0.1:20365/msi/token"} | proxies))
    assert finding.status is LinkStatus.WARN
    assert f"and {named} is set" in finding.detail
    assert "add 127.0.0.1 to NO_PROXY" in finding.fix
    assert proxies[named] not in finding.detail


@pytest.mark.parametrize(
    "proxies",
    [
        {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "127.0.0.1"},
        {"HTTP_PROXY": " "},
        {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "localhost, 127.0.0.1"},
    ],
)
def test_a_proxy_that_has_the_endpoint_among_its_exceptions_is_well(proxies: dict[str, str]) -> None:
    """As the webhook adds it. @azure/identity 4.14.1 knows no networks and no `*` there, and asks HTTPS_PROXY, too."""
    finding = one(others, Found(environ={"IDENTITY_ENDPOINT": "http://127.0.0.1:20365/msi/token"} | proxies))
    assert finding.status is LinkStatus.OK


def test_all_of_them_are_reported() -> None:
    """Not only the first."""
    environ = INJECTED | {"AZURE_CLIENT_SECRET": "x", "MSAL_FORCE_REGION": "y", "IDENTITY_ENDPOINT": "http://10.0.0.1"}
    assert len(list(others(Found(environ=environ)))) == 3


BINDING = {
    "AZURE_KUBERNETES_TOKEN_PROXY": "https://proxy.example.com",
    "AZURE_KUBERNETES_CA_FILE": "/ca.crt",
    "AZURE_FEDERATED_TOKEN_FILE": "/wi/token",
    "M365_OIDC_TOKEN_FILE_PATH": FILE,
}


def test_the_two_tokens_of_an_identity_binding_are_no_contradiction() -> None:
    """One is for the proxy of AKS, the other for Microsoft 365; without the proxy they differ by mistake."""
    assert one(contradictions, Found(environ=INJECTED | BINDING)).status is LinkStatus.OK
    without = {name: value for name, value in BINDING.items() if "KUBERNETES" not in name}
    assert one(contradictions, Found(environ=INJECTED | without)).status is LinkStatus.WARN
    finding = one(others, Found(environ=INJECTED | BINDING))
    assert finding.status is LinkStatus.OK
    assert "AZURE_KUBERNETES_TOKEN_PROXY is set, by AKS identity bindings" in finding.detail


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"AZURE_KUBERNETES_CA_DATA": "PEM"}, "AZURE_KUBERNETES_CA_FILE and AZURE_KUBERNETES_CA_DATA are both set"),
        ({"M365_OIDC_TOKEN_FILE_PATH": ""}, "the only token may be for the audience of the proxy"),
    ],
)
def test_what_fails_with_an_identity_binding(changes: dict[str, str], says: str) -> None:
    """Each with its fix."""
    _, finding = others(Found(environ=INJECTED | BINDING | changes))
    assert finding.status is LinkStatus.WARN
    assert says in finding.detail


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"M365_CLOUD": ""}, "M365_CLOUD is not set, and the provider has no default for it"),
        (
            {"M365_CLOUD": "", "AZURE_CLOUD": "AzureCloud"},
            "AZURE_CLOUD is AzureCloud, which the provider does not know",
        ),
        ({"M365_CLOUD": "Public"}, "M365_CLOUD is Public, which the provider does not know"),
        ({"M365_CLOUD": "gcc"}, "M365_CLOUD is gcc: the provider then calls graph.microsoft.us"),
        ({"M365_AUTH_METHOD": ""}, "M365_AUTH_METHOD is not set"),
        (
            {"M365_AUTH_METHOD": "client_secret"},
            "M365_AUTH_METHOD is client_secret: the provider does not sign in with",
        ),
        ({"M365_AUTH_METHOD": "oidc"}, "M365_OIDC_TOKEN_FILE_PATH is not set, which the provider reads then"),
        ({"M365_AUTH_METHOD": "managed_identity"}, "IDENTITY_ENDPOINT is not set, which the provider reads then"),
        (
            {"M365_AUTH_METHOD": "managed_identity", "IDENTITY_ENDPOINT": "http://127.0.0.1:20365/msi/token"},
            "IDENTITY_HEADER is not set, which the provider reads then",
        ),
        (
            {"M365_TENANT_ID": "", "AZURE_TENANT_ID": ""},
            "M365_TENANT_ID or AZURE_TENANT_ID is not set, and the provider needs it",
        ),
        (
            {"M365_CLIENT_ID": "", "AZURE_CLIENT_ID": ""},
            "M365_CLIENT_ID or AZURE_CLIENT_ID is not set, and the provider needs it",
        ),
        ({"M365_CLOUD": "ex"}, "M365_CLOUD is ex: the provider asks for no token in that cloud"),
        ({"AZURE_FEDERATED_TOKEN_FILE": ""}, "AZURE_FEDERATED_TOKEN_FILE is not set, which the provider reads then"),
        ({"M365_FEDERATED_TOKEN_FILE": FILE}, "M365_FEDERATED_TOKEN_FILE is set, and nothing reads it"),
        ({"M365_CLIENT_ID": f"{CLIENT}\n"}, "M365_CLIENT_ID has white space around its value"),
        ({"M365_PROXY_URL": "http://proxy"}, "M365_PROXY_URL is set and HTTPS_PROXY is not"),
    ],
)
def test_what_the_provider_stumbles_over_is_found_with_its_fix(changes: dict[str, str], says: str) -> None:
    """Each with its fix; nothing of it keeps this helper from signing in."""
    finding = one(provider, Found(environ=INJECTED | changes))
    assert finding.status is LinkStatus.WARN
    assert says in finding.detail
    assert finding.fix


@pytest.mark.parametrize(
    "changes",
    [
        {"M365_CLOUD": "", "AZURE_CLOUD": "public"},
        {"M365_AUTH_METHOD": "oidc", "M365_OIDC_TOKEN_FILE_PATH": FILE},
        {"M365_PROXY_URL": "http://proxy", "HTTPS_PROXY": "http://proxy"},
    ],
)
def test_what_the_provider_takes(changes: dict[str, str]) -> None:
    """The second name of the cloud, the other method, a proxy that it follows."""
    assert one(provider, Found(environ=INJECTED | changes)).status is LinkStatus.OK


def test_without_variables_of_ours_the_provider_is_not_judged() -> None:
    """`m365.workload.identity/env: azure`: its block says who signs in."""
    azure = {name: value for name, value in INJECTED.items() if name.startswith("AZURE_")}
    assert one(provider, Found(environ=azure)).status is LinkStatus.SKIP
    assert one(provider, Found(environ=azure | {"M365_FEDERATED_TOKEN_FILE": FILE})).status is LinkStatus.WARN


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"HTTPS_PROXY": " "}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "http://p/"}, "http://p:80"),
        ({"HTTPS_PROXY": "http://a:b%40c@p:1/"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:2"}, "http://q:2"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, None),
        ({"ALL_PROXY": "socks5://p"}, "socks5://p:1080"),
        ({"HTTPS_PROXY": "http://u:p@[::1]:3128"}, "http://[::1]:3128"),
        ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "http://q:2"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
    ],
)
def test_the_proxy_is_the_one_of_the_variable_that_wins(environ: dict[str, str], expected: str | None) -> None:
    """Lower case first, HTTPS before ALL; user and password are kept and not shown."""
    proxy = proxy_for("https://login.example.com/", environ)
    assert (str(proxy) if proxy else None) == expected
    assert "b%40c" not in repr(proxy)
    assert "b@c" not in repr(proxy)


def test_a_proxys_user_and_password_are_decoded() -> None:
    """Decoded, for the header."""
    proxy = proxy_for("https://x/", {"HTTPS_PROXY": "http://a:b%40c@p:1"})
    assert proxy
    assert (proxy.user, proxy.password, proxy.variable) == ("a", "b@c", "HTTPS_PROXY")


@pytest.mark.parametrize("text", ["ftp://p", "http://", "http://p:port", "http://[::", ":3128"])
def test_a_bad_proxy_variable_is_named_without_its_value(text: str) -> None:
    """The variable is named, and its value is not."""
    known = found({"HTTPS_PROXY": text})
    known.sites["login"] = Site("https://x/")
    told = one(network.links("login").proxy, known)
    assert told.status == "fail"
    assert told.detail.startswith("HTTPS_PROXY is not the address of a proxy")
    assert text not in told.detail.replace("http://proxy.example:3128", "")


@pytest.mark.parametrize(
    "url", ["https://login.example.com/", "https://login.example.com:8443/", "https://10.1.2.3:443"]
)
@pytest.mark.parametrize(
    "entries",
    [
        "example.com",
        ".example.com",
        "*.example.com",
        "login.example.com",
        "in.example.com",
        "a, Example.com ,b",
        ".Example.com",
        "example.com:443",
        "example.com:8443",
        "*",
        "a,*",
        "10.0.0.0/8",
        "10.1.2.3",
        "11.0.0.0/8,2.3",
        " , ",
        "com",
    ],
)
def test_no_proxy_excludes_what_requests_excludes(url: str, entries: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As requests, with which the exchange is made, sees it."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", entries)
    expected = should_bypass_proxies(url, no_proxy=None)
    assert excluded(url, {"NO_PROXY": entries}) == ("NO_PROXY" if expected else None)
    assert excluded(url, {"no_proxy": entries, "NO_PROXY": "*"}) == ("no_proxy" if expected else None)


def by(organization: str) -> Certificate:
    """A certificate that this organization issued."""
    return verified({"issuer": ((("organizationName", organization),), (("commonName", "CA"),))})


@pytest.mark.parametrize(
    ("url", "organization", "foreign"),
    [
        ("https://login.microsoftonline.com/", "DigiCert Inc", False),
        ("https://login.microsoftonline.com/", "Microsoft Corporation", False),
        ("https://login.microsoftonline.com/", "Contoso", True),
        ("https://login.microsoftonline.com/", "", True),
        ("https://login.microsoftonline.us/", "Contoso", True),
        ("https://graph.microsoft.com", "Contoso", True),
        ("https://graph.microsoft.com:443", "Contoso", True),
        ("https://Graph.Microsoft.com/", "Contoso", True),
        ("https://login.microsoftonline.com:443/", "Contoso", True),
        ("https://dod-graph.microsoft.us", "Contoso", True),
        ("https://graph.microsoft.com", "DigiCert Inc", False),
        ("https://login.microsoftonline.eaglex.ic.gov/", "US Government", False),
        ("https://graph.eaglex.ic.gov", "US Government", False),
        ("https://localhost:8443", "Contoso", False),
    ],
)
def test_whose_certificate_it_should_be(url: str, organization: str, foreign: bool) -> None:
    """Known of Microsoft's public servers; nothing is said of the isolated clouds and of other servers."""
    assert is_foreign(url, by(organization)) is foreign


def test_a_certificate_is_told_by_its_common_name_first() -> None:
    """The common name first; the same from a verified and from an unverified one."""
    signer = authority(organization="Contoso\x1b Ltd", common_name="Contoso CA")
    now = dt.datetime.now(dt.UTC)
    leaf = make_leaf(signer, names=["x"], now=now, lifetime=dt.timedelta(days=1)).certificate
    read = from_der(leaf.public_bytes(Encoding.DER))
    assert read.issuer == "CN=Contoso CA, O=Contoso Ltd"
    assert read.subject.startswith("CN=m365-workload-identity webhook ")
    assert by("Contoso").issuer == "CN=CA, O=Contoso"
    assert verified({}).issuer == "no name"
    with pytest.raises(ValueError):
        from_der(b"nonsense")
