"""The page on which one pastes manifests and sees what the webhook would decide, and why. A Flask blueprint.

    /explain                  the form; POST: the explanation of `manifests`, above the form with the same text
    /explain/rules            the rules, and every message with its fix

Nothing is kept, nothing of a cluster is shown but the webhook's own settings, and what is pasted is only ever text.
"""

import re
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from webhook.core.clouds import CLOUDS
from webhook.core.messages import TABLE, Message, manifests, message
from webhook.core.policy import SCOPES, Policy
from webhook.documents.files import manifests_in
from webhook.offline.explain.explanation import Explanation, explain
from webhook.offline.explain.forms import Form
from webhook.offline.explain.rules import RULES

LARGEST: Final = 256 * 1024
"""Bytes of a request. A pod with forty containers has 40 KiB."""
_MORE: Final = 4096  # bytes of a form that are not manifests
LIMITS: Final = {"objects": 50, "containers": 100, "lines": 2000, "messages": 100, "characters": 500}
"""What is shown at most: objects, containers of each, lines of the diff, characters of such a line, messages."""
_VALUE: Final = re.compile(r"\{(\w+)\}")
_NAME: Final = "text"  # what places in the pasted text begin with

EXAMPLE: Final = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: terraform
  namespace: shop
  annotations:
    azure.workload.identity/client-id: 12345678-1234-4234-8234-123456789012
    azure.workload.identity/tenant-id: contoso.onmicrosoft.com
---
apiVersion: v1
kind: Pod
metadata:
  name: terraform
  namespace: shop
  labels:
    azure.workload.identity/use: "true"
spec:
  serviceAccountName: terraform
  containers:
    - name: terraform
      image: hashicorp/terraform:1.14
"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def create_explain(policy: Policy, text: str = "", largest: int = LARGEST) -> Blueprint:
    """The blueprint. policy: of the webhook. text: what the form begins with. largest: bytes of a pasted text."""
    blueprint = Blueprint(
        "explain", __name__, url_prefix="/explain", template_folder="templates", static_folder="static"
    )
    pages = _Pages(policy, text or EXAMPLE, largest)
    blueprint.add_url_rule("", "form", pages.form, methods=["GET"])
    blueprint.add_url_rule("", "explained", pages.explained, methods=["POST"])
    blueprint.add_url_rule("/rules", "rules", _rules)
    blueprint.register_error_handler(RequestEntityTooLarge, pages.too_large)
    blueprint.add_app_template_filter(_in_capitals, "in_capitals")
    blueprint.after_request(_with_headers)
    return blueprint


@dataclass(frozen=True)
class _Pages:
    """The form and its answer."""

    policy: Policy
    text: str
    largest: int

    def form(self) -> str:
        """The empty form: with an example, or with what the command was given."""
        return self._page(self.text, Form.of(self.policy))

    def explained(self) -> tuple[str, int]:
        """The explanation of what was pasted."""
        request.max_content_length = request.max_form_memory_size = self.largest + _MORE
        pasted = request.form.get("manifests", "").replace("\r\n", "\n")
        form = Form.sent(request.form, self.policy)
        problems = [*form.problems()]
        if len(pasted.encode("utf-8", "replace")) > self.largest:
            problems.append(self._too_large())
        if problems:
            return self._page(pasted, form, Explanation(problems=tuple(problems))), 422
        files = manifests_in(_NAME, pasted.encode("utf-8", "replace"))
        found = explain(files, form.policy(self.policy), form.namespace)
        return self._page(pasted, form, found), 422 if found.problems else 200

    def too_large(self, _: HTTPException) -> tuple[str, int]:
        """The answer to a request that is not read."""
        return self._page("", Form.of(self.policy), Explanation(problems=(self._too_large(),))), 413

    def _too_large(self) -> Message:
        return message(manifests.TEXT_TOO_LARGE, limit=f"{self.largest // 1024} KiB")

    def _page(self, pasted: str, form: Form, found: Explanation | None = None) -> str:
        choices = {"scopes": SCOPES, "clouds": tuple(CLOUDS)}
        return render_template(
            "explain/page.html", text=pasted, form=form, found=found, limits=LIMITS, largest=self.largest, **choices
        )


def _rules() -> str:
    return render_template("explain/rules.html", rules=RULES.values(), messages=TABLE.values())


def _in_capitals(template: str) -> str:
    """The text of a kind of message, with capitals for the values."""
    return _VALUE.sub(lambda found: found[1].upper(), template)


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
