"""An explanation for a terminal."""

from collections.abc import Iterator

from webhook.core.messages import Message
from webhook.offline.explain.explanation import Explained, Explanation
from webhook.offline.explain.pods import Container


def as_text(explanation: Explanation) -> str:
    """All of it but the diff, which `mutate -o diff` prints."""
    lines = [f"warning: {warning}" for warning in explanation.warnings]
    for each in explanation.objects:
        lines += ["", *_object(each)] if lines else [*_object(each)]
    return "".join(f"{line}\n" for line in lines)


def _object(each: Explained) -> Iterator[str]:
    yield f"{each.title}: {each.outcome}. {each.summary}"
    for step in each.steps:
        yield f"  {step.rule.title} (docs/{step.rule.page})"
        yield f"    {step.found}"
    yield from _messages("Refused because", each.problems)
    yield from _messages("Warnings", each.warnings)
    if each.settings:
        yield "  Settings"
        width = max(len(setting.title) for setting in each.settings)
        yield from (f"    {row.title.ljust(width)}  {row.value or '-'}  ({row.source})" for row in each.settings)
    for container in each.containers:
        yield from _container(container)
    if each.credential:
        yield "  Federated identity credential that Entra needs"
        yield f"    applications  {', '.join(each.credential.applications)}"
        yield "    issuer        the cluster's (m365wi issuer)"
        yield f"    subject       {each.credential.subject}"
        yield f"    audience      {each.credential.audience}"


def _container(container: Container) -> Iterator[str]:
    added = ", added" if container.is_new else ""
    yield f"  {container.role.capitalize()} {container.name}{added}"
    for variable in container.variables:
        yield f"    {'+' if variable.is_new else ' '} {variable.name}={variable.value}"
    if container.others:
        yield f"      and {container.others} of its own"
    for file in container.files:
        yield f"    {file.path}: {file.details or 'no volume has this file'}"


def _messages(title: str, messages: tuple[Message, ...]) -> Iterator[str]:
    if messages:
        yield f"  {title}"
        yield from (f"    {each}" for each in messages)
