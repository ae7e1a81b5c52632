"""Disks that break a rule for all hypervisors, and the nearest ones that do not; also several disks together."""

from tests.libvirtxml.validate.fragments import (
    CHAP,
    IDE,
    LUKS,
    RESERVATIONS,
    SATA,
    SCSI,
    SHARED_MEMORY,
    SLICE,
    Case,
    block,
    cdrom,
    drive,
    file,
    floppy,
    iotune,
    lun,
    network,
    nvme,
    two,
    vhostuser,
    volume,
)

DISK_CASES = (
    Case("target-missing", "<disk><source file='/a'/></disk>", file()),
    Case("sgio-unfiltered", lun(disk="sgio='unfiltered'"), lun(disk="sgio='filtered'")),
    Case("lun-source", file(target=SCSI, disk="device='lun'"), lun()),
    Case(
        "lun-source",
        network("nbd", disk="device='lun'", target=SCSI),
        network("iscsi", disk="device='lun'", target=SCSI),
    ),
    Case("lun-format", lun(driver="type='qcow2'"), lun(driver="type='raw'")),
    Case("lun-slice", lun(source=SLICE), lun()),
    Case("lun-encryption", lun(source=LUKS), lun()),
    Case("lun-only", block(source=RESERVATIONS), lun(source=RESERVATIONS)),
    Case("lun-only", block(disk="rawio='yes'"), lun(disk="rawio='yes'")),
    Case("lun-only", block(disk="sgio='filtered'"), lun(disk="sgio='filtered'")),
    Case(
        "iotune-total",
        file(iotune("total_bytes_sec=1000 read_bytes_sec=1000")),
        file(iotune("read_bytes_sec=1000 total_iops_sec=1000")),
    ),
    Case("iotune-total", file(iotune("total_iops_sec=9 write_iops_sec=9")), file(iotune("write_iops_sec=9"))),
    Case(
        "iotune-total",
        file(iotune("total_bytes_sec_max=9 total_bytes_sec=8 write_bytes_sec_max=9")),
        file(iotune("total_bytes_sec=8 total_bytes_sec_max=9")),
    ),
    Case(
        "iotune-total",
        file(iotune("total_iops_sec_max=9 total_iops_sec=9 read_iops_sec_max=9")),
        file(iotune("total_iops_sec=8 total_iops_sec_max=9")),
    ),
    *(
        Case(
            "address-type",
            file("<address type='pci' domain='0' bus='0' slot='9' function='0'/>", target=target),
            file(drive(0), target=target),
        )
        for target in (IDE, SCSI, SATA)
    ),
    Case("address-type", floppy("<address type='usb' bus='0' port='1'/>"), floppy(drive(0))),
    Case(
        "virtio-only", file(target=SCSI, disk="model='virtio-transitional'"), file(disk="model='virtio-transitional'")
    ),
    *(
        Case("virtio-only", file(target=SATA, driver=option), file(driver=option))
        for option in (
            "queues='2'",
            "queue_size='256'",
            "event_idx='on'",
            "ioeventfd='on'",
            "ats='on'",
            "iommu='on'",
            "packed='on'",
        )
    ),
    Case("virtio-only", file(target=SATA, driver="page_per_vq='on'"), file(driver="page_per_vq='on'")),
    Case("nvme-namespace", nvme("0"), nvme("1")),
    Case("vhostuser-bus", vhostuser(target=SATA), vhostuser(), SHARED_MEMORY),
    Case("vhostuser-snapshot", vhostuser(disk="snapshot='external'"), vhostuser(disk="snapshot='no'"), SHARED_MEMORY),
    *(
        Case("vhostuser-option", vhostuser(driver=option), vhostuser(), SHARED_MEMORY)
        for option in (
            "cache='none'",
            "error_policy='stop'",
            "rerror_policy='stop'",
            "io='threads'",
            "ioeventfd='on'",
            "copy_on_read='on'",
            "discard='unmap'",
            "iothread='1'",
            "detect_zeroes='on'",
        )
    ),
    *(
        Case("vhostuser-option", vhostuser(option), vhostuser(), SHARED_MEMORY)
        for option in (
            iotune("total_bytes_sec=9"),
            "<backingStore/>",
            LUKS,
            "<readonly/>",
            "<shareable/>",
            "<transient/>",
            "<serial>s</serial>",
            "<wwn>5000c50015ea71ac</wwn>",
            "<vendor>v</vendor>",
            "<product>p</product>",
            CHAP,
            "<geometry cyls='1' heads='1' secs='1'/>",
            "<blockio logical_block_size='512'/>",
        )
    ),
    Case(
        "vhostuser-option",
        vhostuser().replace("/><source", "><metadata_cache><max_size>1024</max_size></metadata_cache></driver><source"),
        vhostuser(),
        SHARED_MEMORY,
    ),
    Case(
        "seclabel-no-relabel",
        file(source="<seclabel model='dac'><label>+0:+0</label></seclabel>"),
        file(source="<seclabel model='selinux'><label>a:b:c</label></seclabel>"),
        "<seclabel type='static' model='dac' relabel='no'><label>+0:+0</label></seclabel>",
    ),
    Case(
        "tray-device",
        file(target="<target dev='sda' bus='scsi' tray='open'/>"),
        cdrom(target="<target dev='sda' bus='scsi' tray='open'/>"),
    ),
    Case(
        "vendor-syntax", file("<vendor>ninechars</vendor>", target=SCSI), file("<vendor>eight ch</vendor>", target=SCSI)
    ),
    Case("vendor-syntax", file("<vendor>é</vendor>", target=SCSI), file("<vendor>e</vendor>", target=SCSI)),
    Case(
        "product-syntax",
        file("<product>seventeen letters</product>", target=SCSI),
        file("<product>sixteen letters.</product>", target=SCSI),
    ),
    Case(
        "product-syntax",
        file(f"<product>{41 * 'x'}</product>", target=SATA),
        file(f"<product>{40 * 'x'}</product>", target=SATA),
    ),
    Case("floppy-bus", floppy(target="<target dev='fda' bus='ide'/>"), floppy()),
    Case("floppy-bus", file(target="<target dev='hda' bus='fdc'/>"), file(target=IDE)),
    Case(
        "removable-bus",
        file(target="<target dev='vda' bus='virtio' removable='on'/>"),
        file(target="<target dev='sda' bus='usb' removable='on'/>"),
    ),
    Case(
        "removable-bus",
        cdrom(target="<target dev='sda' bus='scsi' removable='on'/>"),
        file(target="<target dev='sda' bus='scsi' removable='on'/>"),
    ),
    Case(
        "startup-policy-source",
        network("nbd startupPolicy='optional'"),
        file().replace("file='/a'", "file='/a' startupPolicy='optional'"),
    ),
    Case(
        "startup-policy-source",
        nvme("1").replace("namespace", "startupPolicy='optional' namespace"),
        volume().replace("pool", "startupPolicy='optional' pool"),
    ),
    Case(
        "startup-policy-requisite",
        file().replace("file='/a'", "file='/a' startupPolicy='requisite'"),
        cdrom().replace("file='/a'", "file='/a' startupPolicy='requisite'"),
    ),
    Case(
        "wwn-syntax", file("<wwn>5000c50015ea71a</wwn>", target=SCSI), file("<wwn>5000c50015ea71ac</wwn>", target=SCSI)
    ),
    Case(
        "wwn-syntax",
        file("<wwn>0X5000c50015ea71ac</wwn>", target=SCSI),
        file("<wwn>0x5000c50015ea71ac</wwn>", target=SCSI),
    ),
    Case(
        "wwn-syntax", file("<wwn>5000c50015ea71ag</wwn>", target=SCSI), file("<wwn>5000c50015ea71ac</wwn>", target=SCSI)
    ),
    Case(
        "target-name",
        file(target="<target dev='disk1' bus='virtio'/>"),
        file(target="<target dev='vdz' bus='virtio'/>"),
    ),
    Case("target-name", floppy(target="<target dev='vda' bus='fdc'/>"), floppy()),
    Case(
        "target-name", file(target="<target dev='fda' bus='virtio'/>"), cdrom(target="<target dev='fda' bus='sata'/>")
    ),
    Case("source-missing", "<disk><target dev='vda' bus='virtio'/></disk>", file()),
    Case("source-missing", "<disk type='block' device='lun'><target dev='sda' bus='scsi'/></disk>", lun()),
    Case(
        "discard-no-unref",
        file(driver="discard_no_unref='on' type='raw'"),
        file(driver="discard_no_unref='on' type='qcow2'"),
    ),
    Case(
        "discard-no-unref",
        file("<readonly/>", driver="discard_no_unref='on' type='qcow2'"),
        file("<readonly/>", driver="type='qcow2'"),
    ),
    Case(
        "iothread-conflict",
        file(driver="iothread='1'").replace("'1'/>", "'1'><iothreads><iothread id='1'/></iothreads></driver>"),
        file(driver="iothread='1'"),
        "<iothreads>2</iothreads>",
    ),
    Case(
        "throttle-with-iotune",
        file(iotune("total_bytes_sec=9"), "<throttlefilters><throttlefilter group='g'/></throttlefilters>"),
        file("<throttlefilters><throttlefilter group='g'/></throttlefilters>"),
        "<throttlegroups><throttlegroup><group_name>g</group_name><total_bytes_sec>9</total_bytes_sec></throttlegroup></throttlegroups>",
    ),
    Case(
        "throttle-cdrom",
        cdrom("<throttlefilters><throttlefilter group='g'/></throttlefilters>"),
        file("<throttlefilters><throttlefilter group='g'/></throttlefilters>"),
        "<throttlegroups><throttlegroup><group_name>g</group_name><total_bytes_sec>9</total_bytes_sec></throttlegroup></throttlegroups>",
    ),
    Case(
        "throttle-group-unknown",
        file("<throttlefilters><throttlefilter group='h'/></throttlefilters>"),
        file("<throttlefilters><throttlefilter group='g'/></throttlefilters>"),
        "<throttlegroups><throttlegroup><group_name>g</group_name><total_bytes_sec>9</total_bytes_sec></throttlegroup></throttlegroups>",
    ),
)

DOMAIN_CASES = (
    Case(
        "target-duplicate",
        file() + file().replace("/a", "/b"),
        file() + file(target="<target dev='vdb' bus='virtio'/>"),
    ),
    Case(
        "target-duplicate",
        file(target=SCSI) + file(target=SATA).replace("/a", "/b"),
        file(target=SCSI) + file(target="<target dev='sdb' bus='sata'/>"),
    ),
    Case(
        "address-duplicate",
        file(drive(1), target=SCSI) + file(drive(1), target="<target dev='sdb' bus='scsi'/>"),
        file(drive(0), target=SCSI) + file(drive(1), target="<target dev='sdb' bus='scsi'/>"),
    ),
    Case(
        "address-duplicate",
        file(drive(1), target=SATA) + file(target="<target dev='sdb' bus='sata'/>"),
        file(drive(0), target=SATA) + file(target="<target dev='sdb' bus='sata'/>"),
    ),
    Case(
        "address-duplicate",
        two(
            "<address type='pci' domain='0' bus='0' slot='9' function='0'/>",
            "<address type='pci' domain='0' bus='0' slot='9' function='0'/>",
        ),
        two(
            "<address type='pci' domain='0' bus='0' slot='9' function='0'/>",
            "<address type='pci' domain='0' bus='0' slot='10' function='0'/>",
        ),
    ),
    Case(
        "address-hostdev",
        file(target=SCSI),
        file(target="<target dev='sdb' bus='scsi'/>"),
        "",
        "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>"
        + drive(0)
        + "</hostdev>",
    ),
    Case(
        "boot-order-duplicate",
        two("<boot order='1'/>", "<boot order='1'/>"),
        two("<boot order='1'/>", "<boot order='2'/>"),
    ),
    Case(
        "alias-duplicate",
        two("<alias name='ua-x'/>", "<alias name='ua-x'/>"),
        two("<alias name='ua-x'/>", "<alias name='ua-y'/>"),
    ),
    Case("target-index", file(target="<target dev='sd_x' bus='scsi'/>"), file(target="<target dev='sdx' bus='scsi'/>")),
)
