"""Rules for one layer, whatever the hypervisor.

Source: libvirt 11.3.0 ``conf/domain_validate.c`` (``virDomainDiskDefValidateSourceChainOne``).
"""

from collections.abc import Iterator

from diskchain.behaviours import statement
from diskchain.libvirtxml.validate.rule import Problem, Rules, SourceCheck, format_word, words
from diskchain.storage.encryption import EncryptionFormat
from diskchain.storage.location import NetworkLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol

RULES: Rules[SourceCheck] = Rules()

_WITHOUT_LOGIN = frozenset(
    {Protocol.NBD, Protocol.SHEEPDOG, Protocol.GLUSTER, Protocol.TFTP, Protocol.VXHS, Protocol.NFS}
)
_LOGIN = words(*(protocol for protocol in Protocol if protocol not in _WITHOUT_LOGIN))

#: libvirt's kinds of secrets (``virSecretUsageType``).
_SECRETS = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")
_SECRET_OF = {Protocol.ISCSI: "iscsi", Protocol.RBD: "ceph"}


@RULES.rule("protocol-sheepdog")
def _sheepdog(source: Source) -> Iterator[Problem]:
    if isinstance(source.location, NetworkLocation) and source.location.protocol is Protocol.SHEEPDOG:
        yield Problem("QEMU has dropped the protocol sheepdog", "source")


@RULES.rule("auth-protocol")
def _auth(source: Source) -> Iterator[Problem]:
    location = source.location
    if source.auth is not None and isinstance(location, NetworkLocation) and location.protocol in _WITHOUT_LOGIN:
        yield Problem(f"the protocol {location.protocol} has no log-in, so no <auth>", "source/auth", _LOGIN)


@RULES.rule("auth-secret")
def _auth_secret(source: Source) -> Iterator[Problem]:
    location, auth = source.location, source.auth
    if auth is None or not isinstance(location, NetworkLocation):
        return
    type, needed = auth.secret.usage_type, _SECRET_OF.get(location.protocol)
    if needed is not None and type != needed:
        yield Problem(f"{location.protocol} logs in with a secret of type {needed}", "source/auth/secret", (needed,))
    elif type not in _SECRETS:
        problem = "the secret has no type" if type is None else f"there is no secret of type {type}"
        yield Problem(problem, "source/auth/secret", _SECRETS)


@RULES.rule("encryption-cipher")
def _cipher(source: Source) -> Iterator[Problem]:
    encryption = source.encryption
    if encryption is not None and encryption.format is EncryptionFormat.LUKS and encryption.cipher is not None:
        yield Problem("<cipher> is for making volumes; a disk's is in its header", "source/encryption/cipher")


@RULES.rule("data-store-format")
def _data_store(source: Source) -> Iterator[Problem]:
    if source.data_file is not None and source.format is not Format.QCOW2:
        yield Problem("only qcow2 keeps its data in a data file", "source/dataStore", ("qcow2",))


@RULES.rule("data-store-raw")
def _data_store_format(source: Source) -> Iterator[Problem]:
    data_file = source.data_file
    if data_file is not None and data_file.format is not Format.RAW:
        yield Problem(f"the data file is {format_word(data_file.format)}, not raw", "source/dataStore/format", ("raw",))


@RULES.rule("data-store-nested")
def _data_store_nested(source: Source) -> Iterator[Problem]:
    data_file = source.data_file
    if data_file is not None and (data_file.data_file is not None or isinstance(data_file.backing, Source)):
        yield Problem("a data file has no data file or backing file of its own", "source/dataStore/source/dataStore")


@RULES.rule("data-store-slice")
def _data_store_slice(source: Source) -> Iterator[Problem]:
    if source.data_file is not None and source.data_file.slice is not None:
        yield Problem("a data file is used as a whole, not in slices", "source/dataStore/source/slices")


@RULES.rule("seclabel-label")
def _label(source: Source) -> Iterator[Problem]:
    if source.chain_index is not None:  # libvirt itself writes that of a running domain
        return
    for number, label in enumerate(source.seclabels, start=1):
        if label.relabel and label.label is None:
            problem = f"<seclabel> has relabel='yes' and no <label>: {statement('seclabel-label')}"
            yield Problem(problem, f"source/seclabel[{number}]")


@RULES.rule("rbd-option")
def _rbd_option(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation) or location.protocol is Protocol.RBD:
        return
    for name, value in (("snapshot", location.snapshot), ("config", location.config_file)):
        if value is not None:
            yield Problem(f"<{name}> is for rbd; with {location.protocol} it does nothing", f"source/{name}", ("rbd",))
