"""For each rule documents that break it, and for each the nearest one that does not."""

from tests.libvirtxml.validate.disk_cases import DISK_CASES, DOMAIN_CASES
from tests.libvirtxml.validate.fragments import Case
from tests.libvirtxml.validate.qemu_cases import MAPPING_CASES, QEMU_DISK_CASES
from tests.libvirtxml.validate.source_cases import SOURCE_CASES

CASES: tuple[Case, ...] = (*SOURCE_CASES, *DISK_CASES, *DOMAIN_CASES, *QEMU_DISK_CASES, *MAPPING_CASES)
