"""What ``check`` says of disks because a domain has them, judged by whether a real libvirtd starts it: keys and missing layers."""

import json
import shlex
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from diskchain.cli.main import main
from tests.cli.commands import diskchain
from tests.live.daemons import libvirt
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg

Start = Callable[..., PausedDomain]
_PASSPHRASE = b"a passphrase"


def disk(top: Path, format: str = "qcow2", below: str = "", *, policy: str = "", device: str = "disk") -> str:
    target = {"disk": "dev='vda' bus='virtio'", "cdrom": "dev='hda' bus='ide'", "floppy": "dev='fda' bus='fdc'"}[device]
    policy = f" startupPolicy='{policy}'" if policy else ""
    return (
        f"<disk type='file' device='{device}'>\n  <driver name='qemu' type='{format}'/>\n"
        f"  <source file='{top}'{policy}/>\n  {below}<target {target}/>\n</disk>\n"
    )


def below(path: Path, format: str, end: str = "") -> str:
    return f"<backingStore type='file'><format type='{format}'/><source file='{path}'/>{end}</backingStore>"


def document(directory: Path, xml: str) -> Path:
    path = directory / "vm.xml"
    path.write_text(f"<domain>\n<devices>\n{xml}</devices>\n</domain>\n")
    return path


def told(path: Path, id: str) -> list[dict[str, str]]:
    """The findings of ``check`` with this id."""
    (target,) = json.loads(diskchain("check", "--json", path).out)["targets"]
    return [found for found in target["findings"] if found["id"] == id]


def refusal(start: Start, xml: str) -> str | None:
    """What libvirt says; None when it starts the domain, which is over then."""
    try:
        start(xml).domain.destroy()
    except libvirt.libvirtError as error:
        return str(error)
    return None


@pytest.fixture
def encrypted(image_dir: Path, qemu_img: QemuImg) -> Callable[[str], Path]:
    """Call it with ``qcow2`` or ``raw`` to get an image encrypted with LUKS."""
    key = image_dir / "key"
    key.write_bytes(_PASSPHRASE)

    def make(format: str) -> Path:
        inside = "encrypt." if format == "qcow2" else ""
        options = f"{inside}key-secret=k,{inside}iter-time=10,{inside}hash-alg=sha512"
        options += ",encrypt.format=luks" if inside else ""
        path = image_dir / f"locked.{format}"
        kind = "qcow2" if inside else "luks"
        qemu_img("create", "-q", "--object", f"secret,id=k,file={key}", "-f", kind, "-o", options, path, "1M")
        return path

    return make


def overlay(qemu_img: QemuImg, base: Path, format: str) -> Path:
    path = base.parent / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", base.name, "-F", format, path, "1M")
    return path


def mended(fix: str, path: Path, secret: str) -> str:
    """The disks of the document after the commands of a finding."""
    for command in fix.replace("DOMAIN.xml", str(path)).replace("SECRET_UUID", secret).split(" && "):
        program, *arguments = shlex.split(command)
        assert program == "diskchain"
        assert main(arguments) in (0, 1)
    return path.read_text().partition("<devices>")[2].partition("</devices>")[0]


@pytest.mark.parametrize("where", ["top", "detected", "declared"])
@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_a_key_that_no_document_names(
    paused_domain: Start,
    encrypted: Callable[[str], Path],
    qemu_img: QemuImg,
    libvirt_secret: Callable[..., str],
    where: str,
    format: str,
) -> None:
    image = encrypted(format)
    top = image if where == "top" else overlay(qemu_img, image, format)
    xml = disk(top, format if where == "top" else "qcow2", below(image, format) if where == "declared" else "")
    path = document(image.parent, xml)
    found = told(path, "encryption-undeclared")
    refused = refusal(paused_domain, xml)
    assert [each["severity"] for each in found] == (["error"] if refused else [] if where == "top" else ["warning"])
    assert [each["file"] for each in found] == [str(image)] * len(found)
    for each in found:
        assert refusal(paused_domain, mended(each["fix"], path, libvirt_secret(_PASSPHRASE))) is None
        assert told(path, "encryption-undeclared") == []


def test_a_lone_image_may_be_encrypted(encrypted: Callable[[str], Path]) -> None:
    assert told(encrypted("qcow2"), "encryption-undeclared") == []


def test_an_encryption_without_a_secret_is_told_once(encrypted: Callable[[str], Path]) -> None:
    image = encrypted("qcow2")
    xml = disk(image).replace(f"'{image}'/>", f"'{image}'><encryption format='luks'/></source>")
    path = document(image.parent, xml)
    assert told(path, "encryption-undeclared") == []
    assert len(told(path, "encryption-secret")) == 1


_LOST = {"disk": "no disk vda", "cdrom": "no medium in hda", "floppy": "no medium in fda"}


@pytest.mark.parametrize("policy", ["", "mandatory", "requisite", "optional"])
@pytest.mark.parametrize("device", ["disk", "cdrom", "floppy"])
@pytest.mark.parametrize("what", ["top", "base"])
def test_a_missing_layer_is_a_warning_where_libvirt_starts_without(
    paused_domain: Start, image_dir: Path, qemu_img: QemuImg, policy: str, device: str, what: str
) -> None:
    gone = image_dir / "gone.raw"
    xml = disk(gone, "raw", policy=policy, device=device)
    if what == "base":
        xml = disk(overlay(qemu_img, gone, "raw"), policy=policy, device=device)
    (found,) = told(document(image_dir, xml), "missing")
    starts = refusal(paused_domain, xml) is None
    assert starts == (policy == "optional")
    assert found["severity"] == ("warning" if starts else "error")
    assert (_LOST[device] in found["message"]) == starts
    assert ("migrates" in found["message"]) == (policy == "requisite")


@pytest.mark.parametrize("end", ["", "<backingStore/>"], ids=["open", "spelt out"])
def test_a_chain_that_is_spelt_out_is_looked_at_no_further(
    paused_domain: Start, image_dir: Path, qemu_img: QemuImg, end: str
) -> None:
    gone = image_dir / "gone.raw"
    xml = disk(overlay(qemu_img, gone, "raw"), below=below(gone, "raw", end), policy="optional")
    (found,) = told(document(image_dir, xml), "missing")
    assert found["severity"] == ("error" if refusal(paused_domain, xml) else "warning")
    assert (found["severity"] == "error") == bool(end)


def test_without_its_data_file_no_image_is_optional(paused_domain: Start, image_dir: Path, qemu_img: QemuImg) -> None:
    top, data = image_dir / "top.qcow2", image_dir / f"{uuid.uuid4()}.data"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", top, "1M")
    data.unlink()
    xml = disk(top, policy="optional")
    (found,) = told(document(image_dir, xml), "missing")
    assert found["severity"] == "error"
    assert refusal(paused_domain, xml) is not None
