"""Hundreds of images that qemu-img makes: our reading of each header must agree with ``qemu-img info``."""

import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from subprocess import CalledProcessError
from typing import NamedTuple

import pytest
from tests.image.qemu_view import our_view, qemu_view
from tests.image.windows import file_window
from tests.live.peers import give_up
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.inspect import inspect
from diskchain.image.probe import probe
from diskchain.storage.terms import Format

MiB = 1 << 20
GiB = 1 << 30


class Case(NamedTuple):
    """How ``qemu-img create`` is called; ``backing`` and ``backing_format`` as for ``-b`` and ``-F``."""

    format: str
    size: int = 20 * MiB
    options: tuple[str, ...] = ()
    backing: str | None = None
    backing_format: str | None = None
    secret: bool = False

    def __str__(self) -> str:
        backing = f"-on-{self.backing_format}" if self.backing else ""
        return ",".join((self.format, str(self.size), *self.options)) + backing


def _options(**choices: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every combination of the choices, as key=value; an empty choice leaves the key out."""
    keys = [key.replace("__", ".").replace("_of_", "-") for key in choices]
    for values in product(*choices.values()):
        yield tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True) if value)


_SIZES = (MiB, 20 * MiB + 512, 3 * GiB, 2 << 40)

_QCOW2 = [
    *(Case("qcow2", size, ("compat=0.10",)) for size in (0, *_SIZES)),
    *(
        Case("qcow2", 20 * MiB, options)
        for options in _options(
            cluster_size=("512", "4k", "64k", "2M"), refcount_bits=("", "1", "64"), lazy_refcounts=("", "on")
        )
    ),
    *(
        Case("qcow2", 5 * GiB, options)
        for options in _options(
            compression_type=("zlib", "zstd"), extended_l2=("", "on"), preallocation=("", "metadata")
        )
    ),
    *(
        Case("qcow2", 20 * MiB, options, name, format)
        for options, name, format in product(
            (("compat=0.10",), (), ("extended_l2=on",), ("cluster_size=512",)),
            (
                "base.qcow2",
                "/nowhere/at all/base.qcow2",
                "nbd://localhost:1/x",
                'json:{"driver":"null-co"}',
                "Grüße.img",
                "b" * 1000,
            ),
            ("qcow2", "raw"),
        )
        if not (options == ("cluster_size=512",) and len(name) > 100)
    ),
    *(
        Case("qcow2", 20 * MiB, ("data_file=content.raw", *options))
        for options in _options(data_file_raw=("", "on"), preallocation=("", "metadata"))
    ),
]
_ENCRYPTED = [
    Case("luks", 20 * MiB, ("iter-time=10",), secret=True),
    Case(
        "luks",
        MiB,
        ("ivgen-alg=plain64", "ivgen-hash-alg=sha512", "cipher-alg=serpent-192", "iter-time=10"),
        secret=True,
    ),
    Case("luks", 0, ("cipher-alg=twofish-256", "cipher-mode=ctr", "hash-alg=ripemd160", "iter-time=10"), secret=True),
    Case(
        "qcow2",
        MiB,
        ("compat=0.10", "encrypt.format=luks", "encrypt.ivgen-hash-alg=md5", "encrypt.iter-time=10"),
        secret=True,
    ),
    Case("luks", MiB, ("ivgen-alg=essiv", "ivgen-hash-alg=sha256", "cipher-mode=cbc", "iter-time=10"), secret=True),
    Case("qcow2", 20 * MiB, ("encrypt.format=luks", "encrypt.iter-time=10"), secret=True),
    Case(
        "qcow2",
        20 * MiB,
        ("encrypt.format=luks", "encrypt.cipher-alg=aes-128", "cluster_size=4k", "encrypt.iter-time=10"),
        secret=True,
    ),
    Case("qcow2", MiB, ("encrypt.format=aes",), secret=True),
    Case("qcow", MiB, ("encrypt.format=aes",), secret=True),
]
_OTHERS = [
    *(Case("qcow", size) for size in _SIZES),
    *(Case("qcow", 20 * MiB, (), name, "raw") for name in ("base.raw", "/nowhere/base.raw", "b" * 1000)),
    *(
        Case("qed", size, options)
        for size in (MiB, 3 * GiB)
        for options in _options(cluster_size=("4k", "64k", "1M"), table_size=("2", "4"))
    ),
    *(Case("qed", 20 * MiB, (), name, format) for name in ("base.img", "/nowhere/base") for format in ("raw", "qcow2")),
    *(
        Case("vdi", size, options)
        for size in _SIZES
        for options in _options(static=("", "on"))
        if size < GiB or not options
    ),
    *(
        Case("vhdx", size, options)
        for size in (20 * MiB, 3 * GiB)
        for options in _options(block_size=("", "1M", "32M", "256M"), log_size=("", "4M"), block_state_zero=("", "off"))
    ),
    *(Case("vhdx", size, ("subformat=fixed",)) for size in (MiB, 20 * MiB)),
    *(
        Case("vmdk", size, options)
        for size in (MiB, 3 * GiB)
        for options in _options(
            subformat=(
                "monolithicSparse",
                "monolithicFlat",
                "twoGbMaxExtentSparse",
                "twoGbMaxExtentFlat",
                "streamOptimized",
            ),
            adapter_type=("", "lsilogic"),
            hwversion=("", "6"),
        )
    ),
    Case("vmdk", 20 * MiB, ("zeroed_grain=on",)),
    *(
        Case("vmdk", 20 * MiB, (f"subformat={kind}",), "base.vmdk", "vmdk")
        for kind in ("monolithicSparse", "twoGbMaxExtentSparse")
    ),
    *(
        Case("vpc", size, options)
        for size in (MiB, 20 * MiB, 3 * GiB, 200 * GiB)
        for options in _options(subformat=("dynamic", "fixed"), force_size=("", "on"))
        if size < GiB or "subformat=dynamic" in options
    ),
    *(
        Case("parallels", size, options)
        for size in (MiB, 3 * GiB)
        for options in _options(cluster_size=("", "64k", "4M"))
    ),
    *(Case("raw", size) for size in (0, 512, 20 * MiB)),
]


#: QEMU 7.2 measures key derivation with the thread's CPU time, and gives up when that clock did not tick meanwhile
#: (`qcrypto_pbkdf2_count_iters`); it may have the next time.
_COARSE_CLOCK = "Unable to get accurate CPU usage"
_TRIES = 200


def create(qemu_img: QemuImg, case: Case, directory: Path) -> Path:
    path = directory / f"image.{case.format}"
    arguments: list[str | Path] = ["create", "-q", "-f", case.format]
    options = [option.replace("content.raw", str(directory / "content.raw")) for option in case.options]
    if case.secret:
        (directory / "secret").write_text("not a secret")
        arguments += ["--object", f"secret,id=key,file={directory / 'secret'}"]
        options.append("key-secret=key" if case.format == "luks" else "encrypt.key-secret=key")
    if options:
        arguments += ["-o", ",".join(options)]
    if case.backing and case.format != "vmdk":
        arguments += ["-u", "-b", case.backing, "-F", case.backing_format or "raw"]
    elif case.backing:  # a VMDK copies the content id of its parent, so there has to be one
        base = directory / case.backing
        qemu_img("create", "-q", "-f", "vmdk", base, str(case.size))
        arguments += ["-b", base, "-F", "vmdk"]
    for _ in range(_TRIES if case.secret else 1):
        try:
            qemu_img(*arguments, path, str(case.size))
        except subprocess.CalledProcessError as error:
            if _COARSE_CLOCK not in error.stderr:
                raise
            continue
        return path
    return give_up(f"qemu-img always says {_COARSE_CLOCK!r} on this machine")


@pytest.mark.parametrize("case", [*_QCOW2, *_ENCRYPTED, *_OTHERS], ids=str)
def test_header_agrees_with_qemu_img_info(qemu_img: QemuImg, case: Case, tmp_path: Path) -> None:
    path = create(qemu_img, case, tmp_path)

    header = inspect(file_window(path), Format(case.format), full=True)

    theirs = qemu_view(qemu_img, path, case.format)
    assert our_view(header, theirs) == theirs


@pytest.mark.parametrize("case", _OTHERS[::4] + _QCOW2[::8], ids=str)
def test_a_quick_inspection_says_the_same_about_the_chain_as_a_full_one(
    qemu_img: QemuImg, case: Case, tmp_path: Path
) -> None:
    path = create(qemu_img, case, tmp_path)

    quick, full = (inspect(file_window(path), Format(case.format), full=full) for full in (False, True))

    assert quick == full._replace(details=(), bitmaps=(), snapshots=(), remarks=quick.remarks)


@pytest.mark.parametrize("format", ["qcow", "qcow2", "qed", "vdi", "vhdx", "vmdk", "vpc", "parallels"])
def test_untrusted_rules_know_every_container_qemu_img_makes(qemu_img: QemuImg, format: str, tmp_path: Path) -> None:
    path = create(qemu_img, Case(format), tmp_path)

    assert probe(file_window(path), "untrusted") == format


def test_snapshots_are_read_like_qemu_img_lists_them(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = create(qemu_img, Case("qcow2"), tmp_path)
    for name in ("before the upgrade", "Grüße", "s" * 200):
        qemu_img("snapshot", "-c", name, path)

    header = inspect(file_window(path), Format.QCOW2, full=True)

    theirs = qemu_view(qemu_img, path, "qcow2")
    assert our_view(header, theirs) == theirs
    assert header.snapshot_count == 3
    assert [snapshot.disk_size for snapshot in header.snapshots] == [20 * MiB] * 3


def test_bitmaps_are_read_like_qemu_img_lists_them(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = create(qemu_img, Case("qcow2"), tmp_path)
    qemu_img("bitmap", "--add", "-g", "32k", path, "daily")
    qemu_img("bitmap", "--add", path, "weekly")
    qemu_img("bitmap", "--disable", path, "weekly")

    header = inspect(file_window(path), Format.QCOW2, full=True)

    theirs = qemu_view(qemu_img, path, "qcow2")
    assert our_view(header, theirs) == theirs
    assert [bitmap.name for bitmap in header.bitmaps] == ["daily", "weekly"]


@pytest.mark.parametrize("name", ["base\0.img", "\0base", "base.img\0"], ids=repr)
@pytest.mark.parametrize("format", ["qcow", "qcow2", "qed"])
def test_a_backing_file_name_ends_at_nul_as_it_does_for_qemu(
    qemu_img: QemuImg, format: str, name: str, tmp_path: Path
) -> None:
    path = create(qemu_img, Case(format, backing="x" * len(name), backing_format="raw"), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))

    backing = inspect(file_window(path), Format(format)).backing

    theirs = qemu_view(qemu_img, path, format)
    assert (backing.text if backing else None) == theirs["backing"]


@pytest.mark.parametrize("format", ["qcow", "qcow2", "qed", "vdi", "vhdx", "vmdk", "vpc", "parallels"])
def test_an_image_cut_short_is_no_better_here_than_for_qemu(qemu_img: QemuImg, format: str, tmp_path: Path) -> None:
    path = create(qemu_img, Case(format), tmp_path)
    whole = path.read_bytes()
    for size in (512, 1024, 4096, 64 << 10, 128 << 10, 256 << 10):
        path.write_bytes(whole[:size])
        try:
            qemu_img("info", "-f", format, path)
        except CalledProcessError:
            try:
                assert inspect(file_window(path), Format(format)).remarks, size
            except ImageError:
                continue


def test_a_vhd_whose_checksum_is_wrong_is_told_of_without_a_full_look(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = create(qemu_img, Case("vpc"), tmp_path)
    data = bytearray(path.read_bytes())
    data[72] ^= 1  # in the unique id
    path.write_bytes(data)
    with pytest.raises(CalledProcessError):
        qemu_img("info", "-f", "vpc", path)
    ((id, message),) = inspect(file_window(path), Format.VPC).remarks
    assert (id, "checksum" in message) == ("qemu-refuses", True)
