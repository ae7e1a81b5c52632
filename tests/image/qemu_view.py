"""What ``qemu-img info --output=json`` prints of one header, and the same said from ours, so that the two can be compared.

Differences we accept, each with its reason:

* ``cluster-size``, ``dirty-flag``: QEMU has none for bochs, cloop and dmg images, nor for parallels before 8.0, and no cluster size
  for fixed VHDs; only what it prints is compared. The cluster size of a split VMDK stands in its extents, which we do not open.
* ``filename`` of a VMDK's extent: QEMU joins it to the descriptor's directory; the last component is compared. The extent that is the
  image itself is no further file to us.
* ``ivgen-alg``, ``cipher-alg`` and ``cipher-mode``: QEMU splits what LUKS keeps as one cipher specification; ours is split to compare.
* ``ivgen-hash-alg``: the specification may have one that nobody uses (``plain64:sha256``); QEMU then leaves it out.
"""

import json
from pathlib import Path, PurePath
from typing import Any

from tests.live.storage import QemuImg

from diskchain.image.encryption import ImageEncryption
from diskchain.image.header import ImageHeader

_COMPARED_AS_THEY_ARE = ("compat", "compression-type", "lazy-refcounts", "refcount-bits", "corrupt", "extended-l2")
_NOT_COMPARED = ("detached-header", "format")
_VMDK = ("cid", "parent-cid", "create-type")


def qemu_view(qemu_img: QemuImg, path: Path, format: str) -> dict[str, Any]:
    """QEMU's words on the header of ``path``, flattened; what it does not say is missing."""
    info = json.loads(qemu_img("info", "-U", "--output=json", "-f", format, path))
    specific = info.get("format-specific", {}).get("data", {})
    view = {
        "format": info["format"],
        "capacity": info["virtual-size"],
        "encrypted": info.get("encrypted", False),
        "backing": info.get("backing-filename"),
        "backing format": info.get("backing-filename-format"),
        "snapshots": [_snapshot(row) for row in info.get("snapshots", ())],
        "data file": specific.get("data-file"),
        "data file raw": specific.get("data-file-raw", False),
        "bitmaps": [(row["name"], row["granularity"], sorted(row["flags"])) for row in specific.get("bitmaps", ())],
    }
    if "dirty-flag" in info:
        view["dirty"] = info["dirty-flag"]
    in_other_files = [extent["filename"] for extent in specific.get("extents", ()) if extent["format"]]
    if "cluster-size" in info and not in_other_files:
        view["cluster size"] = info["cluster-size"]
    view |= {key: specific[key] for key in (*_COMPARED_AS_THEY_ARE, *_VMDK) if key in specific}
    encryption = specific.get("encrypt", specific if format == "luks" else None)
    if encryption:
        view["encryption"] = {key: value for key, value in encryption.items() if key not in _NOT_COMPARED}
    extents = specific.get("extents", ())
    view["extents"] = [
        (PurePath(extent["filename"]).name, extent["format"], extent["virtual-size"])
        for extent in extents
        if extent["format"]
    ]
    if extents and not extents[0]["format"]:
        view["compressed"] = extents[0].get("compressed", False)
    return view


def our_view(header: ImageHeader, like: dict[str, Any]) -> dict[str, Any]:
    """Ours, in the same words, restricted to the keys of ``like``."""
    details = {name.replace(" ", "-"): value for name, value in header.details}
    view: dict[str, Any] = {
        "format": header.format.value,
        "capacity": header.capacity,
        "encrypted": header.encryption is not None,
        "dirty": header.dirty,
        "backing": header.backing.text if header.backing else None,
        "backing format": header.backing.format if header.backing else None,
        "snapshots": [
            {
                "id": row.id,
                "name": row.name,
                "vm-state-size": row.vm_state_size,
                "date": (row.date, row.date_ns),
                "vm-clock": row.vm_clock,
                "icount": row.icount,
            }
            for row in header.snapshots
        ],
        "data file": header.data_file,
        "data file raw": header.data_file_raw,
        "bitmaps": [(row.name, row.granularity, sorted(row.flags)) for row in header.bitmaps],
        "cluster size": header.cluster_size,
        "encryption": _encryption(header.encryption) if header.encryption else None,
        "extents": [(PurePath(extent.name).name, extent.kind, extent.size) for extent in header.extents],
        **details,
    }
    return {key: view.get(key, "not said") for key in like}


def _snapshot(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "vm-state-size": row["vm-state-size"],
        "date": (row["date-sec"], row["date-nsec"]),
        "vm-clock": row["vm-clock-sec"] * 10**9 + row["vm-clock-nsec"],
        "icount": row.get("icount"),
    }


def _encryption(encryption: ImageEncryption) -> dict[str, Any]:
    if encryption.kind == "aes":
        return {}
    cipher, mode, ivgen = (encryption.cipher or "--").split("-", 2)
    key_bits = (encryption.key_bits or 0) // (2 if mode == "xts" else 1)
    ivgen, _, ivgen_hash = ivgen.partition(":")
    view: dict[str, Any] = {
        "ivgen-alg": ivgen,
        "hash-alg": encryption.hash,
        "cipher-alg": cipher if cipher == "cast5" else f"{cipher}-{key_bits}",
        "uuid": encryption.uuid,
        "cipher-mode": mode,
        "payload-offset": encryption.payload_offset,
        "master-key-iters": encryption.master_key_iterations,
        "slots": [
            {"active": True, "iters": slot.iterations, "key-offset": slot.key_offset, "stripes": slot.stripes}
            if slot.active
            else {"active": False, "key-offset": slot.key_offset}
            for slot in encryption.slots or ()
        ],
    }
    if ivgen_hash and ivgen == "essiv":
        view["ivgen-hash-alg"] = ivgen_hash
    return view
