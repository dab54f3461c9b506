"""What tests of signing in share."""

import pytest


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-identity's attempts follow each other at once: its pauses are seconds."""

    async def skip(*_: object) -> None:
        pass

    monkeypatch.setattr("azure.core.pipeline.transport.AsyncHttpTransport.sleep", skip)
    monkeypatch.setattr("azure.core.pipeline.transport.HttpTransport.sleep", lambda *_: None)
