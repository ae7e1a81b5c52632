"""Every file a virtual machine depends on, with its size: ``files_of_a_domain.py vm.xml``."""

import sys

import diskchain

report = diskchain.check(sys.argv[1])
for disk in report.disks:
    for layer in disk.chain:
        for file in layer.files:
            size = "?" if file.facts is None else f"{file.facts.size}"
            print(f"{disk.name}  {diskchain.describe_location(file.source.location)}  {size} bytes")
    if not disk.chain.complete:
        print(f"{disk.name}  what is below could not be found out")
sys.exit(report.verdict != "clean")
