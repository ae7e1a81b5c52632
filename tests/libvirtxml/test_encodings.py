"""What libxml2 reads in any of these encodings can be edited, and every other byte stays."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.actions.target import is_document
from diskchain.errors import XmlError
from diskchain.libvirtxml.edit.completion import complete, declared_disks, strip
from diskchain.libvirtxml.edit.set_secret import set_encryption
from diskchain.libvirtxml.markup.encoding import Shown, beginning_as_utf8, declared_encoding, shown_encoding
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source
from diskchain.storage.terms import Format

_DISK = "\n<disk type='file'>\r\n  <source file='/imágenes/tué'/>\n  <target dev='vda'/>\n</disk>\n<!-- ñ -->"
_CHAIN = Source(FileLocation("/x"), Format.QCOW2, backing=Source(FileLocation("/ü"), Format.RAW, backing=TERMINATOR))


def declared(name: str, codec: str, mark: str = "") -> bytes:
    return f"{mark}<?xml version='1.0'\nencoding='{name}'?>{_DISK}".encode(codec)


@pytest.mark.parametrize(
    "document",
    [
        declared("UTF8", "utf-8"),
        declared("utf8", "utf-8", "\ufeff"),
        declared("ISO8859-1", "latin-1"),
        declared("ISO_8859-15", "iso8859-15"),
        declared("IBM850", "cp850"),
        declared("UTF16", "utf-16"),
        declared("UCS-2", "utf-16-le"),
        declared("UTF-32", "utf-32"),
        declared("UTF-32", "utf-32-be", "\ufeff"),
        declared("UTF-32LE", "utf-32-le"),
        declared("UCS-4", "utf-32-be"),
        _DISK.lstrip().encode("utf-32-le"),
        _DISK.lstrip().encode("utf-32"),
    ],
)
def test_a_document_is_completed_in_its_own_encoding(document: bytes) -> None:
    (disk,) = declared_disks(document)
    completed = complete(document, [_CHAIN])
    (filled,) = declared_disks(completed)
    assert filled.source.location == disk.source.location == FileLocation("/imágenes/tué")
    assert isinstance(filled.source.backing, Source)
    assert filled.source.backing.location == FileLocation("/ü")
    assert strip(completed) == document


def test_a_secret_is_named_in_utf_32() -> None:
    document = declared("UTF-32", "utf-32")
    encryption = Encryption(EncryptionFormat.LUKS, (SecretReference(usage="ñ"),))
    (disk,) = declared_disks(set_encryption(document, 0, 0, encryption))
    assert disk.source.encryption is not None
    assert disk.source.encryption.secrets[0].usage == "ñ"


def test_the_line_of_a_fault_in_utf_32_is_that_of_the_document() -> None:
    document = "<?xml version='1.0'\nencoding='UTF-32'?>\n<disk>\n<source></disk>".encode("utf-32")
    with pytest.raises(XmlError, match="mismatched tag") as caught:
        strip(document)
    assert caught.value.line == 4


def test_what_is_no_utf_32_is_an_error() -> None:
    with pytest.raises(XmlError, match="not UTF-32"):
        strip("<disk/>".encode("utf-32") + b"\0\xd8\0\0")


_CODECS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("codec", _CODECS)
def test_an_encoding_shows_itself_by_its_first_bytes(codec: str, mark: str) -> None:
    document = f"{mark}<disk/>".encode(codec)
    shown = shown_encoding(document)
    if not mark and codec == "utf-8":
        assert shown is None
    else:
        assert shown == Shown(codec, len(mark.encode(codec)))
    assert beginning_as_utf8(document) == b"<disk/>"


def test_what_shows_nothing_may_declare_it() -> None:
    assert shown_encoding(b"<?xml version='1.0' encoding='latin1'?><disk/>") is None
    assert declared_encoding(b"<?xml version='1.0' encoding='latin1'?><disk/>") == "latin1"
    assert declared_encoding("<?xml version='1.0' encoding='UTF-16'?>".encode("utf-16-be")) == "UTF-16"
    assert declared_encoding(b"<disk encoding='x'/>") is None


@given(st.binary(max_size=64), st.sampled_from(_CODECS))
def test_any_beginning_can_be_asked_for_its_encoding(raw: bytes, codec: str) -> None:
    for head in (raw, b"\xff\xfe" + raw, "<?xml encoding='".encode(codec) + raw):
        beginning_as_utf8(head)
        declared_encoding(head)


@pytest.mark.parametrize("codec", _CODECS)
def test_a_document_is_told_from_an_image_in_any_encoding(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "vm"
    path.write_bytes("<!-- ñ -->\n<domain/>".encode(codec))
    assert is_document(str(path))
    path.write_bytes(bytes(4096) + b"<domain/>")
    assert not is_document(str(path))
