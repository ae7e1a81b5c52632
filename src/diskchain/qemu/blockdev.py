"""A Source as the list of objects and block nodes QEMU needs for it, bottom up.

The three states of what is below an image become the three states of ``backing``: unknown, the key is absent and QEMU
follows the header by itself; the end, ``null``; a source, the name of its node.

Knows the order and the properties that all nodes share; the drivers' own are in ``network`` and ``format_node``. Pure. Source:
libvirt ``qemuBuildStorageSourceChainAttachPrepareBlockdev``, ``qemuBlockStorageSourceGetBackendProps`` (9.0 as measured, 11.3.0).
"""

from dataclasses import dataclass, replace
from typing import Any

from diskchain.errors import UsageError
from diskchain.qemu.emission import Emission, Item, NodeItem, ObjectItem, Purpose, SecretItem
from diskchain.qemu.format_node import check_encryption, decrypted_by_qemu, format_node, is_plain_raw
from diskchain.qemu.network import Login, network_node
from diskchain.qemu.nodes import NodeNames, node_names
from diskchain.qemu.policy import LIBVIRT_11, NodePolicy, Profile
from diskchain.storage.auth import SecretReference
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    NetworkLocation,
    NvmeLocation,
    VhostVdpaLocation,
    VolumeLocation,
    describe_location,
)
from diskchain.storage.protocol_options import Cookie, HttpOptions, RbdOptions
from diskchain.storage.reference.trust import believed_chain
from diskchain.storage.runtime import QemuObjects
from diskchain.storage.slice import Slice
from diskchain.storage.source import UNKNOWN, Source, layers
from diskchain.storage.terms import BACKING_FORMATS, Format, Protocol

_PLAIN_POLICY = NodePolicy()


@dataclass(frozen=True, slots=True)
class _Look:
    """What the nodes of one layer depend on besides its Source."""

    policy: NodePolicy
    profile: Profile
    layer: int
    top: bool


def blockdev(source: Source, policy: NodePolicy = _PLAIN_POLICY, profile: Profile = LIBVIRT_11) -> Emission:
    """Everything QEMU must be given, in order, for the chain of ``source``, whose layers are numbered (or have node names).

    Where diskchain itself opens the chain, what a header says about whom to trust is left out: no certificate goes unchecked for it.
    Raises UsageError, which names the layer, for what QEMU or the profile's libvirt refuses.
    """
    if profile.read_only:
        source = believed_chain(source)
        policy = replace(_PLAIN_POLICY, tls_directory=policy.tls_directory)
    chain = list(layers(source))
    items: list[Item] = []
    effective: list[str] = []
    below: str | None = None
    for layer in range(len(chain) - 1, -1, -1):
        look = _Look(policy, profile, layer, top=layer == 0)
        try:
            below = _emit(chain[layer], below, look, items)
        except UsageError as error:
            raise UsageError(f"layer {layer} ({describe_location(chain[layer].location)}): {error}") from error
        effective.append(below)
    effective.reverse()
    top = effective[0]
    for group in policy.throttle_groups:
        id = f"throttle-{group.name}"
        items.append(ObjectItem({"qom-type": "throttle-group", "id": id, "limits": dict(group.limits)}, 0))
    for node in _filters(top, policy):
        top = node["node-name"]
        items.append(NodeItem(node, 0))
    return Emission(tuple(items), top, tuple(effective))


def storage_node(source: Source, policy: NodePolicy, profile: Profile, layer: int = 0) -> tuple[Item, ...]:
    """The node of where ``source`` is stored alone, without its format, and what QEMU needs to log in there. Raises UsageError."""
    look = _Look(policy, profile, layer, top=layer == 0)
    names = node_names(source)
    items: list[Item] = []
    node = _storage_node(source, names, look, items)
    items.append(NodeItem(node | _common(names.storage, source, look, effective=False), layer))
    return tuple(items)


def _emit(source: Source, below: str | None, look: _Look, items: list[Item]) -> str:
    """Append what one layer needs; returns the name of its effective node."""
    if isinstance(source.location, VolumeLocation) and source.location.actual is not None:
        source = source._replace(location=source.location.actual)
    names = node_names(source)
    check_encryption(source, legacy=look.profile.read_only, newer=look.profile.newer)
    in_format = look.profile.raw_slices and is_plain_raw(source)
    # libvirt 9.0 cuts twice what librbd decrypts: in a node of its own, and in the format's.
    apart = source.slice is not None and not (in_format and source.encryption is None)
    formatted = _has_format_node(source, look.profile)
    if isinstance(source.backing, Source) and source.format not in BACKING_FORMATS and formatted:
        # Without a format node libvirt does not look, and starts the domain without what is below.
        raise UsageError(f"an image in format {source.format or 'raw'} has no backing file")
    data_file = None
    if source.data_file is not None and look.profile.newer:
        data_file = _emit_data_file(source, source.data_file, look, items)
    first = len(items)
    storage = _storage_node(source, names, look, items)
    key = _secrets(source, names, look, items)
    if not look.profile.newer:
        items[first:] = sorted(items[first:], key=_older_rank)
    if formatted or apart:
        storage |= _common(names.storage, source, look, effective=False)
    else:
        storage |= _common(names.storage, source, look, effective=True)
    items.append(NodeItem(storage, look.layer, effective=not (formatted or apart)))
    standing_on = names.storage
    if apart and source.slice is not None:
        window = _slice_node(source, source.slice, names, look, effective=not formatted)
        items.append(NodeItem(window, look.layer, effective=not formatted))
        standing_on = names.slice
    if not formatted:
        return standing_on
    node = _common(names.format, source, look, effective=True)
    unref = look.policy.discard_no_unref if look.top and look.profile.newer else None
    node |= format_node(source, key, slice_here=in_format or not apart, discard_no_unref=unref)
    if data_file is not None:
        node["data-file"] = data_file
    node["file"] = standing_on
    if source.format in BACKING_FORMATS and source.backing is not UNKNOWN:
        node["backing"] = below if isinstance(source.backing, Source) else None
    items.append(NodeItem(node, look.layer, effective=True))
    return names.format


def _older_rank(item: Item) -> int:
    """The place of an object among those of one layer, as libvirt 9.0 has them: of a secret by what it is for."""
    if isinstance(item, SecretItem):
        return ("auth", "encryption", "cookie", "tls").index(item.purpose) + 1
    return 0 if isinstance(item, ObjectItem) and item.properties["qom-type"] == "pr-manager-helper" else 5


def _has_format_node(source: Source, profile: Profile) -> bool:
    return profile.raw_nodes or not is_plain_raw(source)


def _slice_node(source: Source, window: Slice, names: NodeNames, look: _Look, *, effective: bool) -> dict[str, Any]:
    ordered = replace(look, profile=replace(look.profile, cache_last=True))
    common = _common(names.slice, source, ordered, effective=effective)
    part = {"offset": window.offset, "size": window.size}
    if look.profile.cache_last:
        return {"driver": "raw", "file": names.storage, **part, **common}
    return _after({"driver": "raw", **common}, "node-name", {**part, "file": names.storage})


def _emit_data_file(source: Source, data_file: Source, look: _Look, items: list[Item]) -> str:
    """What libvirt 11.3 gives QEMU before anything of the layer itself."""
    if source.format is not Format.QCOW2:
        raise UsageError(f"an image in format {source.format or 'raw'} has no data file")
    if data_file.format not in (None, Format.RAW) or data_file.slice:
        raise UsageError("a data file is raw, and whole")
    if isinstance(data_file.backing, Source) or data_file.data_file is not None:
        raise UsageError("a data file has nothing below it")
    # It stands in for part of the image, so what concerns the image alone does not concern it.
    plain = replace(look.policy, discard_no_unref=None)
    return _emit(data_file._replace(backing=UNKNOWN), None, replace(look, policy=plain, top=False), items)


def _common(name: str, source: Source, look: _Look, *, effective: bool) -> dict[str, Any]:
    """The properties every node has, in libvirt's order."""
    policy, profile = look.policy, look.profile
    node: dict[str, Any] = {"node-name": name}
    if profile.read_only:
        node["read-only"] = True
        if profile.share:
            node["force-share"] = True
        return node
    cache: dict[str, Any] = {}
    if policy.direct is not None:
        cache = {"cache": {"direct": policy.direct, "no-flush": policy.no_flush}}
    if not effective:
        passed = isinstance(source.location, FileLocation) and _passed(source, profile) is not None
        access = (
            {"read-only": source.readonly}
            if passed and name == node_names(source).storage
            else {"auto-read-only": True}
        )
        return _ordered(node, cache, access | {"discard": "unmap"}, last=profile.cache_last)
    node["read-only"] = source.readonly
    if policy.discard is not None:
        node["discard"] = policy.discard
    if (look.top or profile.newer) and policy.detect_zeroes is not None:
        wasted = policy.detect_zeroes == "unmap" and policy.discard != "unmap"
        node["detect-zeroes"] = "on" if wasted else policy.detect_zeroes
    return node | cache


def _ordered(node: dict[str, Any], cache: dict[str, Any], rest: dict[str, Any], *, last: bool) -> dict[str, Any]:
    return node | rest | cache if last else node | cache | rest


def _after(node: dict[str, Any], key: str, more: dict[str, Any]) -> dict[str, Any]:
    """``node`` with ``more`` right behind ``key``."""
    result: dict[str, Any] = {}
    for each, value in node.items():
        result[each] = value
        if each == key:
            result |= more
    return result


def _secrets(source: Source, names: NodeNames, look: _Look, items: list[Item]) -> str | None:
    """Append the secret of the format node, if it decrypts; returns its id."""
    if not decrypted_by_qemu(source):
        return None
    named = source.encryption.secrets if source.encryption is not None else ()
    id = next(iter(_objects(source, look.profile).encryption), f"{names.format}-encryption-secret0")
    items.append(SecretItem(id, "encryption", look.layer, named[0] if named else None))
    return id


def _storage_node(source: Source, names: NodeNames, look: _Look, items: list[Item]) -> dict[str, Any]:
    """Driver and location. Appends the objects the node refers to."""
    location, policy = source.location, look.policy
    match location:
        case FileLocation(path) if path:
            passed = _passed(source, look.profile)
            path = path if passed is None else f"/dev/fdset/{passed}"
            return _file_node("file", path, source, names, look, items)
        case BlockLocation(path) if path:
            driver = "host_cdrom" if look.top and policy.host_cdrom else "host_device"
            return _file_node(driver, path, source, names, look, items)
        case DirLocation(path) if path:
            if source.format not in (Format.FAT, None):
                raise UsageError("a directory can only be shown as FAT")
            if not (source.readonly or look.profile.read_only):
                raise UsageError("a directory shown as FAT must be read-only")
            return {"driver": "vvfat", "dir": path, "floppy": policy.floppy, "rw": False}
        case NvmeLocation():
            return {"driver": "nvme", "device": str(location.address), "namespace": location.namespace}
        case VhostVdpaLocation(path):
            if not look.profile.newer:
                raise UsageError("libvirt 9.0 knows no source of type vhostvdpa")
            passed = _passed(source, look.profile)
            path = path if passed is None else f"/dev/fdset/{passed}"
            return {"driver": "virtio-blk-vhost-vdpa", "path": path}
        case NetworkLocation():
            login = _login(source, location, names, look, items)
            return network_node(location, login, newer=look.profile.newer, ours=look.profile.ours)
    if isinstance(location, FileLocation | BlockLocation | DirLocation):
        raise UsageError("an empty drive has no nodes")
    raise UsageError(f"no block node can show a {location.type}")


def _objects(source: Source, profile: Profile) -> QemuObjects:
    """The objects that a running domain has for a layer; none of ours bears their names."""
    return QemuObjects() if profile.ours or source.runtime is None else source.runtime.objects


def _passed(source: Source, profile: Profile) -> int | None:
    """The set of descriptors through which QEMU gets the file; None where it opens the file itself, as a QEMU of our own does."""
    return None if profile.ours or source.runtime is None else source.runtime.fdset


def _file_node(
    driver: str, path: str, source: Source, names: NodeNames, look: _Look, items: list[Item]
) -> dict[str, Any]:
    node: dict[str, Any] = {"driver": driver, "filename": path}
    if look.policy.aio is not None:
        node["aio"] = look.policy.aio
    if source.reservations is not None and not look.profile.read_only:
        id, socket = "pr-helper0", f"{look.policy.helper_directory}/pr-helper0.sock"
        if not source.reservations.managed:
            id, socket = f"pr-helper-{names.storage}", source.reservations.socket or ""
        id = _objects(source, look.profile).reservations or id
        items.append(ObjectItem({"qom-type": "pr-manager-helper", "id": id, "path": socket}, look.layer))
        node["pr-manager"] = id
    return node


def _login(source: Source, location: NetworkLocation, names: NodeNames, look: _Look, items: list[Item]) -> Login:
    """Append the objects that log in to a server; returns their names."""
    known = _objects(source, look.profile)

    def secret(id: str, purpose: Purpose, reference: SecretReference | None, cookies: tuple[Cookie, ...] = ()) -> str:
        items.append(SecretItem(id, purpose, look.layer, reference, cookies))
        return id

    login = Login()
    if source.auth is not None:
        if location.protocol in (Protocol.NBD, Protocol.GLUSTER, Protocol.NFS):
            raise UsageError(f"{location.protocol} knows no login")
        id = known.auth or f"{names.storage}-auth-secret0"
        login = replace(login, user=source.auth.username, secret=secret(id, "auth", source.auth.secret))
    elif isinstance(location.options, RbdOptions):
        login = replace(login, user=location.options.user)
    if isinstance(location.options, HttpOptions) and location.options.cookies:
        id = known.http_cookie or f"{names.storage}-httpcookie-secret0"
        login = replace(login, cookies=secret(id, "cookie", None, location.options.cookies))
    encryption = source.encryption
    if encryption is not None and not decrypted_by_qemu(source):
        owner = names.format if _has_format_node(source, look.profile) else names.storage
        wanted = encryption.secrets if look.profile.newer else encryption.secrets[:1]
        keys = tuple(
            known.encryption[number] if number < len(known.encryption) else f"{owner}-encryption-secret{number}"
            for number in range(len(wanted))
        )
        items.extend(
            SecretItem(key, "encryption", look.layer, reference) for key, reference in zip(keys, wanted, strict=True)
        )
        login = replace(login, encryption=(str(encryption.format), keys))
    if location.tls:
        if location.protocol is not Protocol.NBD:
            raise UsageError(f"{location.protocol} knows no TLS")
        id = known.tls_credentials or f"obj{names.storage}_tls0"
        credentials = {"dir": look.policy.tls_directory, "endpoint": "client", "verify-peer": True}
        if known.tls_key is not None:
            credentials["passwordid"] = secret(known.tls_key, "tls", None)
        items.append(ObjectItem({"qom-type": "tls-creds-x509", "id": id, **credentials}, look.layer))
        login = replace(login, tls=id)
    return login


def _filters(top: str, policy: NodePolicy) -> list[dict[str, Any]]:
    """Copy-on-read, then one throttle filter a group, each above the one before."""
    nodes: list[dict[str, Any]] = []
    if policy.copy_on_read is not None:
        name = f"libvirt-CoR-{policy.copy_on_read}"
        nodes.append({"driver": "copy-on-read", "node-name": name, "file": top, "discard": "unmap"})
        top = name
    for throttle in policy.throttle_filters:
        group = f"throttle-{throttle.group}"
        nodes.append({"driver": "throttle", "node-name": throttle.node, "throttle-group": group, "file": top})
        top = throttle.node
    return nodes
