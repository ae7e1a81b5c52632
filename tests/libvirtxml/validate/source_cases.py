"""Layers that break a rule, and the nearest ones that do not."""

from tests.libvirtxml.validate.fragments import (
    CEPH,
    CHAP,
    DATA_STORE,
    HOST,
    LUKS,
    LUKS_BY_RBD,
    PASSPHRASE,
    SLICE,
    VIRTIO,
    Case,
    block,
    directory,
    file,
    network,
    volume,
)

SOURCE_CASES = (
    Case("protocol-sheepdog", network("sheepdog"), network("rbd")),
    Case("protocol-tftp", network("tftp"), network("http")),
    *(Case("auth-protocol", network(p, HOST + CHAP), network(p)) for p in ("nbd", "gluster", "vxhs")),
    Case("auth-protocol", network("nfs", f"{HOST}{CHAP}<identity user='u' group='g'/>"), network("iscsi", HOST + CHAP)),
    Case("auth-secret", network("rbd", CHAP), network("rbd", CEPH)),
    Case("auth-secret", network("iscsi", HOST + CEPH), network("iscsi", HOST + CHAP)),
    Case("auth-secret", network("https", HOST + CHAP.replace("iscsi", "what")), network("https", HOST + CHAP)),
    Case(
        "encryption-cipher",
        file(source=LUKS.replace("<secret", "<cipher name='aes' size='256'/><secret")),
        file(source=LUKS),
    ),
    Case(
        "data-store-format",
        file(source=DATA_STORE.format("raw", "")),
        file(source=DATA_STORE.format("raw", ""), driver="type='qcow2'"),
    ),
    Case(
        "data-store-raw",
        file(source=DATA_STORE.format("qcow2", ""), driver="type='qcow2'"),
        file(source=DATA_STORE.format("raw", ""), driver="type='qcow2'"),
    ),
    Case(
        "data-store-nested",
        file(source=DATA_STORE.format("raw", DATA_STORE.format("raw", "")), driver="type='qcow2'"),
        file(source=DATA_STORE.format("raw", ""), driver="type='qcow2'"),
    ),
    Case(
        "data-store-slice",
        file(source=DATA_STORE.format("raw", SLICE), driver="type='qcow2'"),
        file(source=DATA_STORE.format("raw", "") + SLICE, driver="type='qcow2'"),
    ),
    Case("rbd-option", network("gluster", f"{HOST}<snapshot name='s'/>"), network("rbd", "<snapshot name='s'/>")),
    Case("rbd-option", network("nbd", f"{HOST}<config file='/c'/>"), network("rbd", "<config file='/c'/>")),
    *(
        Case("format-unsupported", file(driver=f"type='{f}'"), file(driver="type='vmdk'"))
        for f in ("cow", "iso", "dir")
    ),
    Case("fat-source", file(driver="type='fat'"), directory("<readonly/>")),
    Case("fat-source", block(target=VIRTIO, driver="type='fat'"), volume(driver="type='fat'")),
    Case("dir-format", directory("<readonly/>", driver="type='raw'"), directory("<readonly/>")),
    Case("dir-writable", directory(), directory("<readonly/>")),
    *(
        Case(
            "nfs-host",
            network("nfs", f"{hosts}<identity user='u' group='g'/>"),
            network("nfs", f"{HOST}<identity user='u' group='g'/>"),
        )
        for hosts in ("", HOST * 2, "<host transport='unix' socket='/s'/>", "<host name='h' port='2049'/>")
    ),
    Case(
        "metadata-cache-format",
        file().replace(
            "<source", "<driver type='raw'><metadata_cache><max_size>1024</max_size></metadata_cache></driver><source"
        ),
        file().replace(
            "<source", "<driver type='qcow2'><metadata_cache><max_size>1024</max_size></metadata_cache></driver><source"
        ),
    ),
    Case(
        "encryption-legacy",
        file(source=LUKS.replace("luks", "qcow"), driver="type='qcow2'"),
        file(source=LUKS, driver="type='qcow2'"),
    ),
    Case(
        "encryption-legacy",
        file(source=LUKS.replace("luks", "default"), driver="type='qcow2'"),
        file(source=LUKS, driver="type='qcow2'"),
    ),
    Case(
        "encryption-qemu",
        network("rbd", LUKS.replace("luks", "luks2")),
        network("rbd", LUKS_BY_RBD.replace("luks", "luks2")),
    ),
    Case("encryption-qemu", file(source=LUKS, driver="type='vmdk'"), file(source=LUKS, driver="type='raw'")),
    Case("encryption-qemu", file(source=LUKS.replace(PASSPHRASE, PASSPHRASE * 2)), file(source=LUKS)),
    Case("encryption-secret", file(source="<encryption format='luks'/>"), file(source=LUKS)),
    Case("encryption-librbd", file(source=LUKS_BY_RBD), network("rbd", LUKS_BY_RBD)),
    Case("encryption-secret", network("rbd", LUKS_BY_RBD.replace(PASSPHRASE, "")), network("rbd", LUKS_BY_RBD)),
    Case("encryption-librbd", network("nbd", HOST + LUKS_BY_RBD), network("rbd", LUKS_BY_RBD)),
    Case("tls-protocol", network("https tls='yes'"), network("nbd tls='yes'")),
    *(Case("hosts", network(p, HOST * 2), network(p)) for p in ("nbd", "ssh", "https")),
    *(Case("hosts", network(p, ""), network(p)) for p in ("nbd", "iscsi", "gluster")),
    *(
        Case("network-name-empty", network(f"{protocol} name=''"), network(f"{protocol} name='x'"))
        for protocol in ("http", "ftp", "ssh")
    ),
    Case("network-name-empty", network("rbd name='p/'"), network("rbd name='p/1'")),
    Case("network-name-empty", network("gluster name='p/'"), network("nbd name=''")),
    Case("host-brackets", network("nbd", "<host name='[::1]'/>"), network("iscsi", "<host name='[::1]'/>")),
    Case("host-brackets", network("https", "<host name='[::1]'/>"), network("https", "<host name='::1'/>")),
    Case(
        "seclabel-label",
        file(source="<seclabel model='dac' relabel='yes'/>"),
        file(source="<seclabel model='dac' relabel='no'/>"),
    ),
    Case("hosts-ignored", network("iscsi", HOST * 2), network("iscsi")),
    Case("host-transport", network("gluster", "<host name='h' transport='rdma'/>"), network("gluster")),
    Case(
        "host-transport",
        network("iscsi", "<host transport='unix' socket='/s'/>"),
        network("nbd", "<host transport='unix' socket='/s'/>"),
    ),
    Case("iscsi-lun", network("iscsi name='iqn/x'"), network("iscsi name='iqn/1'")),
)
