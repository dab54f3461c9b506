"""`fic plan` and `apply` in each Microsoft cloud: its login host, its Graph, its audience."""

from pathlib import Path

import pytest

from tests.commands.federation import ISSUER, subject, world
from webhook.core.clouds import CLOUDS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_cloud_is_asked_at_its_own_addresses(cloud: str, tmp_path: Path) -> None:
    """The emulator answers only by the names of one cloud, and the proxy leads nowhere else."""
    with world(tmp_path, cloud=cloud) as here:
        app, identity = here.application("terraform"), here.entra.managed_identity("reader")
        here.entra.arm.access.grant(here.caller)
        here.account("shop/a", app, cloud=cloud)
        here.account("shop/b", identity, cloud=cloud)
        assert here.fic("plan", "--cloud", cloud).code == 1
        done = here.fic("apply", "--cloud", cloud)
        assert (done.code, done.err) == (0, "")
        for owner, account in ((app, "shop/a"), (identity, "shop/b")):
            (found,) = owner.credentials
            assert (found.issuer, found.subject, found.audience) == (ISSUER, subject(account), CLOUDS[cloud].audience)
