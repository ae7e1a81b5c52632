"""Disks of domains, generated: every kind of source, policy, secret and chain libvirt 9 can turn into QEMU's arguments.

Writes XML by hand, so that no code under test is between the document and libvirt.
"""

from collections.abc import Callable
from random import Random
from xml.sax.saxutils import quoteattr

_HOSTS = ("h", "storage.example.org", "192.0.2.7", "2001:db8::7")
_NAMES = ("img", "a/b", "a b", "ä/ß", "a+b&c=d;e,f@g", "it's", "a%20b", "x~y!z*()", "a:b?c#d", "[x]{y}|^`\\")


class DiskWriter:
    """Writes disks, the same each time for the same seed. ``secrets``: UUIDs of a volume, a ceph and an iscsi secret."""

    def __init__(self, seed: int, secrets: dict[str, str]) -> None:
        self._random = Random(seed)  # noqa: S311 (nothing secret)
        self._secrets = secrets

    def disk(self, target: str) -> str:
        """One disk."""
        format = self._random.choice(
            ("raw", "raw", "qcow2", "qcow2", "qcow2", "qed", "vmdk", "vdi", "vpc", "vhd", "ploop")
        )
        kind, source = self._source(format, top=True)
        below = self._below(self._random.choice((0, 0, 1, 2, 4))) if format in ("qcow2", "qed", "vmdk") else ""
        readonly = "<readonly/>" if kind == "dir" else self._maybe("<readonly/>", 0.15)
        is_shareable = format == "raw" and not readonly and "<encryption" not in source
        shareable = self._maybe("<shareable/>", 0.2) if is_shareable else ""
        if kind == "dir":
            format, below = "fat", ""
        cache = "<metadata_cache><max_size unit='KiB'>64</max_size></metadata_cache>"
        inside = self._maybe(cache, 0.2) if format == "qcow2" else ""
        driver = f"<driver name='qemu' type='{format}'{self._policy(readonly=bool(readonly))}>{inside}</driver>"
        return (
            f"<disk type='{kind}' device='disk'>{driver}{source}{below}"
            f"<target dev='{target}' bus='virtio'/>{shareable}{readonly}</disk>"
        )

    def empty_drive(self, target: str) -> str:
        """A CD drive without a disc: it takes a number, too."""
        return f"<disk type='file' device='cdrom'><target dev='{target}' bus='ide'/><readonly/></disk>"

    def _maybe(self, text: str, chance: float) -> str:
        return text if self._random.random() < chance else ""

    def _policy(self, *, readonly: bool) -> str:
        choose = self._random.choice
        cache = choose(("", "none", "writeback", "writethrough", "directsync", "unsafe"))
        io = choose(("", "threads", "io_uring", *(("native",) if cache in ("none", "directsync") else ())))
        pairs = (
            ("cache", cache),
            ("io", io),
            ("discard", choose(("", "unmap", "ignore"))),
            ("detect_zeroes", choose(("", "on", "off", "unmap"))),
            ("copy_on_read", "" if readonly else choose(("", "", "on", "off"))),
        )
        return "".join(f" {name}='{value}'" for name, value in pairs if value)

    def _below(self, depth: int) -> str:
        if not depth:
            return self._maybe("<backingStore/>", 0.5)
        format = self._random.choice(("qcow2", "qcow2", "qed", "vmdk") if depth > 1 else ("raw", "qcow2", "vdi"))
        kind, source = self._source(format, top=False)
        if kind == "dir":
            kind, source = "file", f"<source file={quoteattr('/' + self._name())}/>"
        inside = self._below(depth - 1) if format in ("qcow2", "qed", "vmdk") else self._maybe("<backingStore/>", 0.5)
        return f"<backingStore type='{kind}'><format type='{format}'/>{source}{inside}</backingStore>"

    def _source(self, format: str, *, top: bool) -> tuple[str, str]:
        kinds: list[Callable[[str], tuple[str, str]]] = [
            self._file,
            self._block,
            self._http,
            self._nbd,
            self._iscsi,
            self._rbd,
            self._gluster,
            self._ssh,
            self._nfs,
        ]
        if top and format == "raw":
            kinds += [self._dir, self._nvme]
        return self._random.choice(kinds)(format)

    def _name(self) -> str:
        return self._random.choice(_NAMES)

    def _secret(self, type: str) -> str:
        return f"<secret type='{type}' uuid='{self._secrets[type]}'/>"

    def _encryption(self, format: str) -> str:
        if format not in ("raw", "qcow2"):
            return ""
        return self._maybe(f"<encryption format='luks'>{self._secret('passphrase')}</encryption>", 0.4)

    def _slice(self) -> str:
        return self._maybe("<slices><slice type='storage' offset='4096' size='1048576'/></slices>", 0.2)

    def _host(self, port: str = "") -> str:
        number = self._maybe(f" port='{self._random.randrange(1, 65536)}'", 0.5) if port == "" else port
        return f"<host name='{self._random.choice(_HOSTS)}'{number}/>"

    def _file(self, format: str) -> tuple[str, str]:
        return (
            "file",
            f"<source file={quoteattr('/' + self._name())}>{self._encryption(format)}{self._slice()}</source>",
        )

    def _block(self, format: str) -> tuple[str, str]:
        return "block", f"<source dev='/dev/mapper/x'>{self._encryption(format)}{self._slice()}</source>"

    def _dir(self, _format: str) -> tuple[str, str]:
        return "dir", f"<source dir={quoteattr('/srv/' + self._name())}/>"

    def _nvme(self, format: str) -> tuple[str, str]:
        address = "<address domain='0x0000' bus='0x01' slot='0x1f' function='0x7'/>"
        return "nvme", (
            f"<source type='pci' managed='yes' namespace='2'>{self._encryption(format)}{address}{self._slice()}</source>"
        )

    def _network(self, format: str, attributes: str, children: str) -> tuple[str, str]:
        return "network", f"<source {attributes}>{children}{self._encryption(format)}{self._slice()}</source>"

    def _http(self, format: str) -> tuple[str, str]:
        protocol = self._random.choice(("http", "https", "ftp", "ftps"))
        query = self._maybe(" query='x=1&amp;y=2'", 0.3) if protocol.startswith("http") else ""
        children = self._host()
        if protocol in ("https", "ftps"):
            children += self._maybe("<ssl verify='no'/>", 0.5)
        if protocol.startswith("http"):
            children += self._maybe("<cookies><cookie name='a'>1</cookie><cookie name='b'>2</cookie></cookies>", 0.3)
        children += self._maybe("<readahead size='65536'/>", 0.3) + self._maybe("<timeout seconds='7'/>", 0.3)
        children += self._maybe(f"<auth username='me'>{self._secret('iscsi')}</auth>", 0.3)
        name = self._random.choice(("", "/", "//")) + self._name()
        return self._network(format, f"protocol='{protocol}' name={quoteattr(name)}{query}", children)

    def _nbd(self, format: str) -> tuple[str, str]:
        host = self._random.choice((self._host(), "<host transport='unix' socket='/run/a b'/>"))
        name = self._random.choice((f" name={quoteattr(self._name())}", " name=''", ""))
        tls = (
            self._random.choice(("", " tls='no'", " tls='yes'", " tls='yes' tlsHostname='other'"))
            if "unix" not in host
            else ""
        )
        return self._network(format, f"protocol='nbd'{name}{tls}", host)

    def _iscsi(self, format: str) -> tuple[str, str]:
        children = self._host() + self._maybe("<initiator><iqn name='iqn.2001-01.org:me'/></initiator>", 0.4)
        children += self._maybe(f"<auth username='me'>{self._secret('iscsi')}</auth>", 0.4)
        return self._network(
            format, f"protocol='iscsi' name='iqn.2001-01.org:t{self._random.choice(('/0', '/12'))}'", children
        )

    def _rbd(self, format: str) -> tuple[str, str]:
        children = "".join(self._host() for _ in range(self._random.randrange(3)))
        children += self._maybe("<snapshot name='s'/>", 0.3) + self._maybe("<config file='/etc/c.conf'/>", 0.3)
        children += self._maybe(f"<auth username='me'>{self._secret('ceph')}</auth>", 0.4)
        return self._network(format, f"protocol='rbd' name={quoteattr('pool/' + self._name())}", children)

    def _gluster(self, format: str) -> tuple[str, str]:
        children = self._host() + self._maybe("<host transport='unix' socket='/run/g'/>", 0.4)
        return self._network(format, f"protocol='gluster' name={quoteattr('volume/' + self._name())}", children)

    def _ssh(self, format: str) -> tuple[str, str]:
        return self._network(format, f"protocol='ssh' name={quoteattr(self._name())}", self._host())

    def _nfs(self, format: str) -> tuple[str, str]:
        children = self._host(port=" ") + self._maybe("<identity user='+100' group='+200'/>", 0.5)
        return self._network(format, f"protocol='nfs' name={quoteattr('/' + self._name())}", children)
