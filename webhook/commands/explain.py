"""`m365wi explain`: what the webhook would do with manifests, and why.

    exit 0   explained, or the page was served until Ctrl+C
    exit 1   explained, and kube-apiserver would refuse one of the objects
    exit 2   wrong usage: a flag, a file, or its content; each mistake is listed
    exit 3   our bug: a patch for which the webhook would answer HTTP 500

Without -f, or with --serve, it serves the page on which one pastes manifests, on this machine only. With -f alone it
prints the explanation.
"""

import argparse
import contextlib
import importlib.util
import logging
import socket
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.commands.manifest_flags import add_manifest_flags, read_all
from webhook.commands.printed import write_stderr, write_stdout
from webhook.core.messages import Message, manifests, message
from webhook.core.messages import settings as kinds
from webhook.core.mutation import UnsoundPatch
from webhook.core.names import NAMESPACE_NAME
from webhook.core.policy import Policy
from webhook.documents.files import ManifestFiles
from webhook.offline.explain.as_text import as_text
from webhook.offline.explain.explanation import explain
from webhook.settings import SettingsError, bad_value

HOST: Final = "127.0.0.1"
_HOSTS: Final = (HOST, "localhost")
_PORT: Final = 8750


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    parser.add_argument("--serve", action="store_true", help="serve the page, which begins with the files' text")
    parser.add_argument("--port", metavar="PORT", default=str(_PORT), help=f"of the page; 0 for a free one ({_PORT})")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    add_manifest_flags(parser)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Explains the manifests, or serves the page. Raises SettingsError for wrong usage."""
    policy, files = read_all(flags, environ, [*_problems(flags)])
    if flags.serve or not flags.filename:
        return _serve(flags, policy, "---\n".join(source.written for source in files.sources))
    return _print(flags, policy, files)


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    if not NAMESPACE_NAME.fullmatch(flags.namespace):
        yield bad_value("-n", flags.namespace, "a namespace's name")
    if not flags.port.isdecimal() or int(flags.port) > 65535:
        yield bad_value("--port", flags.port, "a port, or 0 for a free one")


def _print(flags: argparse.Namespace, policy: Policy, files: ManifestFiles) -> int:
    try:
        found = explain(files, policy, flags.namespace)
    except UnsoundPatch as error:
        write_stderr([f"{flags.program}: {message(manifests.UNSOUND_PATCH, reason=str(error))}"])
        return 3
    if not found.objects:
        write_stderr([str(message(manifests.NO_PODS))])
    write_stdout(as_text(found))
    return int(any(each.outcome == "refused" for each in found.objects))


def _serve(flags: argparse.Namespace, policy: Policy, text: str) -> int:
    """Serves the page until Ctrl+C."""
    if importlib.util.find_spec("flask") is None:  # `explain -f` does without it
        raise SettingsError([message(kinds.LIBRARY_MISSING, command="explain", library="flask", extra="[serve]")])
    from flask import Flask, redirect, url_for
    from werkzeug.serving import make_server
    from werkzeug.wrappers import Response

    from webhook.offline.explain.pages import create_explain

    application = Flask("webhook.commands.explain", static_folder=None)
    # Another site's page cannot read ours under a name of its own that resolves to this machine.
    application.config["TRUSTED_HOSTS"] = list(_HOSTS)
    application.register_blueprint(create_explain(policy, text))

    @application.get("/")
    def index() -> Response:
        return redirect(url_for("explain.form"))

    try:
        listening = socket.create_server((HOST, int(flags.port)))
    except OSError as error:
        raise SettingsError(
            [bad_value("--port", flags.port, f"a port that is free, or 0 ({error.strerror})")]
        ) from None
    with listening, contextlib.suppress(KeyboardInterrupt):
        port = listening.getsockname()[1]
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
        server = make_server(HOST, port, application, threaded=True, fd=listening.fileno())
        address = f"http://{HOST}:{port}/explain"
        write_stderr([f"{flags.program}: {address} (Ctrl+C ends it)"])
        if not flags.no_browser and sys.stderr.isatty():
            webbrowser.open(address)
        server.serve_forever()
    return 0
