"""A Prometheus that scrapes programs on loopback, twice a second, and evaluates rules as often."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from testbed.cluster.kubeconfig import Access
from testbed.cluster.processes import Workshop, free_ports, wait_until
from testbed.prometheus.build import binary

__all__ = ["Prometheus"]

INTERVAL = "500ms"


class Prometheus:
    """Runs in `workshop` and ends with it.

    apiserver: the kube-apiserver to scrape, if any, as the user whose client certificate this is. url: its own address.
    """

    def __init__(
        self, workshop: Workshop, groups: Sequence[Mapping[str, Any]], *, apiserver: Access | None = None
    ) -> None:
        self._folder = workshop.directory / "prometheus"
        self._folder.mkdir()
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.scrape({})
        self._write("rules.yaml", yaml.safe_dump({"groups": [*groups]}))
        self._write("prometheus.yaml", yaml.safe_dump(self._configuration(apiserver)))
        self.process = workshop.start(
            "prometheus",
            [
                binary("prometheus"),
                f"--config.file={self._folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
        )
        wait_until(self._answers, "Prometheus answers", alive=[self.process])

    def scrape(self, jobs: Mapping[str, Sequence[int]], *, namespaces: Mapping[str, str] | None = None) -> None:
        """Scrapes from now on, of each job, the programs on these ports, and no others.

        namespaces: by job, for the label that the Prometheus operator gives its targets.
        """

        def labels(job: str) -> dict[str, str]:
            return {"job": job} | ({"namespace": namespaces[job]} if namespaces else {})

        found = [
            {"targets": [f"127.0.0.1:{port}" for port in ports], "labels": labels(job)} for job, ports in jobs.items()
        ]
        self._write("targets.new", json.dumps(found))
        (self._folder / "targets.new").replace(self._folder / "targets.json")  # Prometheus never reads half of it

    def query(self, query: str) -> list[dict[str, Any]]:
        """The samples that a query has now."""
        found: list[dict[str, Any]] = self._get("query", query=query)["result"]
        return found

    def alerts(self) -> dict[str, str]:
        """The state of each alert that fires or is going to: "firing" or "pending"."""
        return {each["labels"]["alertname"]: each["state"] for each in self._get("alerts")["alerts"]}

    def await_alert(self, alert: str) -> None:
        """Returns when it fires. Raises ClusterError if it does not."""
        wait_until(lambda: self.alerts().get(alert) == "firing", f"{alert} fires")

    def _configuration(self, apiserver: Access | None) -> dict[str, Any]:
        programs = {
            "job_name": "programs",
            "fallback_scrape_protocol": "PrometheusText0.0.4",
            "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}],
        }
        return {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [programs, *([self._of_apiserver(apiserver)] if apiserver else [])],
        }

    def _of_apiserver(self, apiserver: Access) -> dict[str, Any]:
        assert apiserver.pair
        assert apiserver.authority
        self._write("ca.pem", apiserver.authority.decode())
        self._write("client.pem", apiserver.pair.certificate.decode())
        self._write("client.key", apiserver.pair.key.decode())
        return {
            "job_name": "kube-apiserver",
            "scheme": "https",
            "scrape_interval": "1s",  # its page is large
            "scrape_timeout": "1s",
            "tls_config": {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"},
            "static_configs": [{"targets": [urllib.parse.urlsplit(apiserver.server).netloc]}],
        }

    def _answers(self) -> bool:
        try:
            self.query("vector(1)")
        except OSError:
            return False
        return True

    def _get(self, what: str, **parameters: str) -> Any:
        with urllib.request.urlopen(
            f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}", timeout=10
        ) as answer:
            return json.load(answer)["data"]

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path
