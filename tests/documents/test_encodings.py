"""Texts as Windows PowerShell, Notepad and `cat` make them: read as kubectl reads them, or told what to do."""

import codecs

import pytest

from webhook.documents.files import BadFile, decode, manifests_in

ONE, TWO = "{apiVersion: v1, kind: ServiceAccount}\n", "{apiVersion: v1, kind: Pod}\n"
BOTH = f"{ONE}---\n{TWO}"


@pytest.mark.parametrize(
    "data",
    [
        BOTH.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + BOTH.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + BOTH.encode("utf-16-be"),
        # Two files put together, each with its mark.
        codecs.BOM_UTF8 + f"{ONE}---\n\ufeff{TWO}".encode(),
        f"\ufeff{ONE}---\n\ufeff{TWO}".encode("utf-16-le"),
        f"{ONE}--- \r\n\ufeff{TWO}".encode(),
    ],
)
def test_the_mark_of_each_document_is_left_out(data: bytes) -> None:
    """Nothing else is."""
    assert decode("app.yaml", data).replace(" \r\n", "\n") == BOTH
    assert len(manifests_in("app.yaml", data).manifests) == 2


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-32"])
def test_without_its_mark_no_other_encoding_is_read(encoding: str) -> None:
    """It is told as what it is, and not as a control character of YAML."""
    with pytest.raises(BadFile) as caught:
        decode("app.yaml", BOTH.encode(encoding))
    assert str(caught.value.problem) == "app.yaml:1: the text is not UTF-8 (write the file as UTF-8) [WI404]"
