"""Another path for a layer of a domain, and the -blockdev arguments that come of it: ``move_a_layer.py vm.xml vda /new/path``."""

import pathlib
import sys

import diskchain

document, layer, path = sys.argv[1:]
edited = diskchain.edit(pathlib.Path(document).read_bytes(), layer, path=path)
pathlib.Path(document).write_bytes(edited)
for disk in diskchain.blockdev(edited).disks:
    print(" ".join(disk.arguments()))
