"""Messages quote the document: neither our repairs nor QEMU's names for what it calls otherwise."""

from diskchain.libvirtxml.validate.document import check_document

_DISK = "<disk type='file'><driver type='{}'/><source file='/a'>{}</source><target dev='vda' bus='virtio'/></disk>"
_KEY = "<encryption format='luks'><secret type='passphrase' uuid='9f8e0f4e-1111-4222-8333-0123456789ab'/></encryption>"


def _said(format: str, inside: str) -> list[str]:
    return [found.message for _, found in check_document(_DISK.format(format, inside)).findings]


def test_what_stands_there_since_a_repair_is_not_quoted() -> None:
    assert _said("raw", "<seclabel model='dac' relabel='no'><label>+1:+1</label></seclabel>") == [
        "<seclabel> has a <label> and relabel='no'"
    ]


def test_a_disk_of_which_only_the_label_is_refused_is_looked_at() -> None:
    text = _DISK.format("raw", "<seclabel model='dac' relabel='no'><label>+1:+1</label></seclabel>")
    assert len(check_document(text).disks) == 1


def test_two_wrong_values_of_one_element_are_both_told() -> None:
    said = _said("raw", "<seclabel model='dac' relabel='maybe'/><reservations managed='perhaps'/>")
    assert [word for word in ("maybe", "perhaps") if any(f"'{word}'" in each for each in said)] == ["maybe", "perhaps"]


def test_a_format_is_called_what_the_document_calls_it() -> None:
    assert _said("ploop", _KEY) == ["disk vda: an encrypted image is raw or qcow2, not ploop (allowed: raw, qcow2)"]
