"""What a test does to the store behind kube-apiserver's back, by etcd's HTTP gateway."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

__all__ = ["Etcd"]

SECONDS = 10.0


class Etcd:
    """etcd on a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    def delete(self, key: str) -> int:
        """Deletes an object by its key, such as /registry/priorityclasses/NAME; how many there were."""
        return int(self._ask("deleterange", {"key": base64.b64encode(key.encode()).decode()}).get("deleted", 0))

    def compact(self) -> None:
        """Forgets all revisions but the newest, as kube-apiserver has it do after some minutes."""
        newest = self._ask("range", {"key": base64.b64encode(b"/").decode()})["header"]["revision"]
        self._ask("compaction", {"revision": newest, "physical": True})

    def _ask(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        try:
            connection.request("POST", f"/v3/kv/{action}", json.dumps(body))
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        assert answer.status == 200, found
        return found
