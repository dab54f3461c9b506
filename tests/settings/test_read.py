"""Reading the settings: what wins, which flags contradict each other, and which have no effect."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.accounts.test_files import ACCOUNT
from tests.authorities import make_authority
from webhook.core.messages import Kind, kubeconfigs
from webhook.core.messages import settings as kinds
from webhook.settings import (
    DEVELOPMENT,
    FILES,
    SELF_MANAGED,
    ServeSettings,
    SettingsError,
    add_flags,
    read_settings,
    unknown_variables,
)

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.fixture
def accounts(tmp_path: Path) -> str:
    """A file with one ServiceAccount."""
    path = tmp_path / "accounts.yaml"
    path.write_text(ACCOUNT)
    return str(path)


def read(*flags: str, environ: Mapping[str, str] = POD) -> ServeSettings:
    """The settings of `serve` with these flags, in a pod unless the environment says otherwise."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return read_settings(parser.parse_args([*flags, "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"]), environ)


def mistakes(*flags: str, environ: Mapping[str, str] = POD) -> list[tuple[Kind, str]]:
    """The kind and the place of each problem."""
    with pytest.raises(SettingsError) as caught:
        read(*flags, environ=environ)
    return [(problem.kind, problem.place.object) for problem in caught.value.problems]


def test_the_flag_wins_over_the_variable_and_the_variable_over_the_default() -> None:
    """A variable of spaces is not set."""
    assert read().policy.cloud == "public"
    assert read(environ={**POD, "M365WI_CLOUD": "dod"}).policy.cloud == "dod"
    assert read("--cloud=gcc", environ={**POD, "M365WI_CLOUD": "moon"}).policy.cloud == "gcc"
    assert read(environ={**POD, "M365WI_CLOUD": " "}).policy.cloud == "public"


def test_the_mode_of_certificates_follows_from_the_rest(accounts: str) -> None:
    """What is given; else files for --tls-cert; else self-managed in a pod; else development."""
    assert read().certificates == SELF_MANAGED
    assert read("--accounts", accounts, environ={}).certificates == DEVELOPMENT
    assert read("--accounts", accounts).certificates == DEVELOPMENT
    assert read("--tls-cert", accounts).certificates == FILES
    assert read("--certificates=development").certificates == DEVELOPMENT
    assert read("--tls-cert", accounts, "--tls-key", accounts, "--certificates=files").certificates == FILES


def test_accounts_come_from_one_source(accounts: str, tmp_path: Path) -> None:
    """From files or a cluster, not from both; outside a cluster, from one of them."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: s}}]\nusers: [{name: u, user: {}}]\n"
    )
    both = ("--accounts", accounts, "--kubeconfig", str(kubeconfig))
    assert mistakes(*both, environ={}) == [(kinds.ACCOUNTS_AND_KUBECONFIG, "")]
    assert mistakes(environ={}) == [(kinds.NO_ACCOUNTS, "")]
    assert read("--kubeconfig", str(kubeconfig), environ={}).kubeconfig == kubeconfig
    assert mistakes("--accounts=/absent", environ={}) == [(kinds.BAD_VALUE, "--accounts")], "and nothing else"


def test_flags_of_the_certificate_go_together(accounts: str) -> None:
    """A mode of files needs a certificate, a key needs one, and the other modes take none."""
    assert mistakes("--certificates=files") == [(kinds.TLS_CERT_MISSING, "")]
    assert mistakes("--tls-cert", accounts, "--certificates=development") == [(kinds.TLS_CERT_UNUSED, "")]
    assert mistakes("--tls-cert", accounts, "--certificates=self-managed") == [(kinds.TLS_CERT_UNUSED, "")]
    assert mistakes("--tls-key", accounts) == [(kinds.TLS_KEY_ALONE, "")]


def test_authorities_of_clients_are_read_before_anything_starts(accounts: str, tmp_path: Path) -> None:
    """A file with something else is a wrong value; names need an authority."""
    file = tmp_path / "ca.crt"
    file.write_text(make_authority(now=datetime.now(UTC), lifetime=timedelta(days=1)).pem)
    found = read("--client-ca", str(file), "--client-names", "kube-apiserver, api.example.com")
    assert found.client_ca == file
    assert found.client_names == ("kube-apiserver", "api.example.com")
    assert found.effective()["client_names"] == "kube-apiserver,api.example.com"
    assert read(environ={**POD, "M365WI_CLIENT_CA": str(file)}).client_ca == file
    assert read().client_ca is None
    assert mistakes("--client-ca", accounts) == [(kinds.BAD_VALUE, "--client-ca")]
    assert mistakes("--client-ca=/absent", "--client-names=a") == [(kinds.BAD_VALUE, "--client-ca")], "and nothing else"
    assert mistakes("--client-names=a") == [(kinds.CLIENT_NAMES_ALONE, "")]
    assert mistakes("--client-ca", str(file), "--client-names=a,,b") == [(kinds.BAD_VALUE, "--client-names")]


@pytest.mark.parametrize(
    ("listen", "ops_listen", "same"),
    [
        ("127.0.0.1:9000", "127.0.0.1:9000", True),
        ("0.0.0.0:9000", "127.0.0.1:9000", True),
        ("127.0.0.1:9000", ":9000", True),
        ("127.0.0.1:9000", "127.0.0.1:9001", False),
        ("127.0.0.1:9000", "127.0.0.2:9000", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_two_servers_cannot_have_one_port(listen: str, ops_listen: str, same: bool) -> None:
    """Of one address, or of all addresses. The system chooses two ports for 0."""
    flags = argparse.Namespace(listen=listen, ops_listen=ops_listen)
    if same:
        with pytest.raises(SettingsError) as caught:
            read_settings(flags, {})
        assert [problem.kind for problem in caught.value.problems] == [kinds.SAME_PORT]
    else:
        assert str(read_settings(flags, {}).listen) == listen


def test_the_default_ports_differ() -> None:
    """As the chart and docs/serve.md have them."""
    settings = read_settings(argparse.Namespace(), {})
    assert (str(settings.listen), str(settings.ops_listen)) == ("0.0.0.0:9443", "0.0.0.0:8080")


def test_settings_of_self_managed_certificates_have_no_effect_in_other_modes(accounts: str) -> None:
    """Names have one on a certificate for development, and the Service's name on one from files."""
    development = ("--certificates=development", "--extra-names=localhost")
    assert mistakes(*development, "--skew=1h", "--service=x", environ={**POD, "M365WI_SETTLE": "5s"}) == [
        (kinds.NO_EFFECT, "--service"),
        (kinds.NO_EFFECT, "M365WI_SETTLE"),
        (kinds.NO_EFFECT, "--skew"),
    ]
    files = ("--tls-cert", accounts, "--service=x")
    assert mistakes(*files, "--extra-names=localhost") == [(kinds.NO_EFFECT, "--extra-names")]
    assert read(*files).rotation.service == "x"
    assert "skew" in read().effective()
    assert "skew" not in read(*files).effective()


def test_durations_that_do_not_fit_together_are_reported_with_their_flags() -> None:
    """With the codes of `certs`; not if one of them could not be read, and not in another mode."""
    with pytest.raises(SettingsError) as caught:
        read("--leaf-lifetime=900d")
    (problem,) = caught.value.problems
    assert problem.code.startswith("WIC4")
    assert problem.text.startswith("--leaf-lifetime is 900d, expected at most half of --ca-lifetime")
    assert mistakes("--leaf-lifetime=900d", "--ca-lifetime=x") == [(kinds.BAD_VALUE, "--ca-lifetime")]


def test_unknown_variables_are_refused_if_misspelt_and_else_reported() -> None:
    """An empty one is not looked at."""
    environ = {"M365WI_TENNANT_ID": "x", "M365WI_SERVICE_HOST": "10.0.0.1", "M365WI_CLUOD": "", "OTHER": "x", **POD}
    assert mistakes(environ=environ) == [(kinds.MISSPELT_SETTING, "M365WI_TENNANT_ID")]
    assert [warning.place.object for warning in unknown_variables(environ)] == ["M365WI_SERVICE_HOST"]


def test_mistakes_in_a_named_file_name_the_flag_and_the_file(tmp_path: Path) -> None:
    """The file's own problem, with the flag in front of its place."""
    path = tmp_path / "kubeconfig"
    path.write_text("clusters: []")
    assert mistakes("--kubeconfig", str(path)) == [(kubeconfigs.CONTEXT_MISSING, f"--kubeconfig: {path}")]
