"""``diskchain secrets``: which layer needs which key, whether it is to be had here, and whether it opens the layer."""

import argparse
import json
import os
import sys
from typing import Final, NamedTuple

from diskchain.actions.blockdev import node_targets
from diskchain.actions.keys import pass_over
from diskchain.actions.numbering import NumberedChain, number_chains
from diskchain.actions.select_layer import below, from_layer, left_out, may_hold
from diskchain.actions.try_key import NO, UNSURE, could_not_tell, try_key, try_login
from diskchain.cli.options.secrets import add_secret_arguments, keys_of, tls_directory
from diskchain.cli.options.target import add_target_arguments
from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import DiskchainError, PeerError, StorageError, printable
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.luks.header import LUKS2_KEY_SLOTS
from diskchain.readers.local import open_local
from diskchain.secrets.keys import Found, Keys, describe
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import local_path
from diskchain.storage.source import layers
from diskchain.storage.terms import Format

EXAMPLE = """\
examples:
  diskchain secrets vm.xml --secrets-from qemu:///system
  diskchain secrets -c qemu:///system vm --try
  diskchain secrets image.qcow2 --secret image.qcow2=file:/etc/keys/image --try

--try opens each layer, read-only and alone, in a qemu-storage-daemon; LUKS2, which QEMU does not know, it tries by itself. No key is
ever printed.

exit codes: 0 clean, 1 a key is missing or wrong, 2 usage, 3 could not tell"""

_COLUMNS: Final = ("layer", "kind", "cipher", "slots", "secret", "found", "opens")
_NOT_TRIED: Final = "-"
_FROM_DOCUMENT: Final = {
    EncryptionFormat.DEFAULT: "legacy aes",
    EncryptionFormat.QCOW: "legacy aes",
    EncryptionFormat.LUKS: "luks",
}


class Row(NamedTuple):
    """One layer's key, in words. ``slots``: used of all; ``found``: where the key is, or ``no``."""

    layer: str
    kind: str
    cipher: str
    slots: str
    secret: str
    found: str
    opens: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``secrets``."""
    add_target_arguments(parser)
    add_secret_arguments(parser)
    parser.add_argument("--try", dest="attempt", action="store_true", help="find out whether each key opens its layer")
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/secrets/1)")


def run(args: argparse.Namespace) -> int:
    """Look, perhaps try, and print."""
    from diskchain.discover import Discoverer
    from diskchain.report.findings import CLEAN, COULD_NOT_TELL, FINDINGS, exit_code

    discoverer = Discoverer()
    every = node_targets(args)
    disks = may_hold([disk for disk in every if disk.source is not None], args.disk)
    whole: dict[str, BackingChain] = {}
    numbered: list[NumberedChain] = []
    for disk in disks:
        chain = disk.discover(discoverer)
        assert chain is not None  # noqa: S101 (it has a source)
        whole[disk.name] = chain
        numbered += number_chains([disk], [chain.source])
    rows: list[Row] = []
    unknown = False
    certificates = tls_directory(args) if args.attempt else None
    with keys_of(args) as keys:
        chosen = from_layer(numbered, args.disk)
        for each in chosen:
            chain = below(whole[each.disk], each)
            unknown = unknown or exit_code(chain.findings) == COULD_NOT_TELL
            rows += _rows(each, chain, keys, certificates)
        pass_over(left_out(every, chosen, args.disk), keys)
        keys.check_fit()
    if args.json:
        shown = [row._asdict() for row in rows]
        print(json.dumps({"schema": "diskchain/secrets/1", "target": args.target, "layers": shown}, indent=2))
    else:
        _print_table(rows)
    if any(NO in (row.found, row.opens) for row in rows):
        return FINDINGS
    unsure = any(UNSURE in cell for row in rows for cell in (row.found, row.opens))
    return COULD_NOT_TELL if unknown or unsure else CLEAN


def _print_table(rows: list[Row]) -> None:
    if not rows:
        print("no layer needs a key")
        return
    from diskchain.report.style import style_of

    style = style_of(sys.stdout, environ=dict(os.environ))
    cells = [_COLUMNS, *[tuple(printable(cell) for cell in row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_COLUMNS))]
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(style.bold(line) if number == 0 else line)


def _rows(numbered: NumberedChain, chain: BackingChain, keys: Keys, certificates: str | None) -> list[Row]:
    """``certificates``: their directory, for what is tried; None: nothing is."""
    rows = []
    for layer, source, names in zip(chain.layers, layers(numbered.source), numbered.names, strict=True):
        if source.auth is not None:
            kind = f"login to {getattr(source.location, 'protocol', source.location.type)}"
            found, where = _find(keys, names, source.auth.secret)
            opens = _NOT_TRIED
            if certificates is not None and found is not None:
                opens = try_login(source, source.auth.username, found, certificates)
            rows.append(Row(names[0], kind, "", "", describe(source.auth.secret), where, opens))
            _wipe(found)
        if source.encryption is not None:
            rows.append(_encryption_row(layer, source.encryption, names, keys, certificates))
    return rows


def _encryption_row(
    layer: Layer, declared: Encryption, names: tuple[str, ...], keys: Keys, certificates: str | None
) -> Row:
    reference = declared.secrets[0] if declared.secrets else None
    found, where = _find(keys, names, reference)
    try:
        opens = _NOT_TRIED
        if certificates is not None and found is not None:
            opens = try_key(layer, names, found, certificates)
        return Row(names[0], *_described(layer, declared), _secret(reference), where, opens)
    finally:
        _wipe(found)


def _described(layer: Layer, declared: Encryption) -> tuple[str, str, str]:
    """Kind, cipher and key slots: the header's word, or the document's where nobody could look."""
    seen = None if layer.header is None else _whole_header(layer, layer.header).encryption
    if seen is None:
        return _FROM_DOCUMENT.get(declared.format, str(declared.format)), "?", "?"
    if seen.kind == "aes":
        return "legacy aes", "aes-cbc", ""
    inside = "qcow2-" if layer.source.format is Format.QCOW2 else ""
    kind = inside + ("luks" if seen.kind == "luks1" else seen.kind)
    if seen.slots is None:
        return kind, seen.cipher or "?", "?"
    every = LUKS2_KEY_SLOTS if seen.kind == "luks2" else len(seen.slots)  # LUKS2 lists those in use
    used = f"{sum(slot.active for slot in seen.slots)} of {every}"
    return kind, seen.cipher or "?", used


def _whole_header(layer: Layer, header: ImageHeader) -> ImageHeader:
    """The header with its key slots, which discovery does not read; without them where they cannot be read."""
    path = local_path(layer.source.location)
    if path is None:
        return header
    try:
        with open_local(path) as image:
            return inspect(image.window(), header.format, full=True)
    except DiskchainError:
        return header


def _secret(reference: SecretReference | None) -> str:
    return "none named" if reference is None else describe(reference)


def _find(keys: Keys, names: tuple[str, ...], reference: SecretReference | None) -> tuple[Found | None, str]:
    """The key, and where it is in words."""
    keys.want(names, reference)
    try:
        found = keys.find(names, reference)
    except (PeerError, StorageError) as error:
        return None, could_not_tell(error)
    return found, NO if found is None else found.place


def _wipe(found: Found | None) -> None:
    if found is not None:
        found.value.wipe()
