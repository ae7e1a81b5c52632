"""The main job in one minute, with nothing installed but diskchain: build a chain, show it, complete a domain's XML.

The images are written by ``images.py``, byte by byte, because qemu-img may not be there.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from images import write_qcow2

GIB = 1 << 30

DOMAIN = """\
<domain type='qemu'>
  <name>demo</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='{top}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


FINDINGS = 1


def run(*arguments: str, expected: int = 0) -> None:
    """Show a command and what it prints. Ends the demo when it does not exit with the ``expected`` code."""
    print(f"\n$ diskchain {' '.join(arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "diskchain", *arguments], check=False).returncode
    if code != expected:
        sys.exit(f"demo: that should have exited with {expected}, and did with {code}")


def main() -> None:
    """Base, two overlays, a domain; then the chain, the completed document, and what a lost base looks like."""
    with tempfile.TemporaryDirectory(prefix="diskchain-demo-") as directory:
        place = Path(directory)
        base, middle, top = place / "base.raw", place / "monday.qcow2", place / "tuesday.qcow2"
        with base.open("wb") as file:
            file.truncate(GIB)
        write_qcow2(middle, GIB, "base.raw", "raw")
        write_qcow2(top, GIB, str(middle), "qcow2")
        document = place / "demo.xml"
        document.write_text(DOMAIN.format(top=top))

        print("A disk of three layers, and a domain that names only the top one. The chain:")
        run("show", str(document))
        print("\nThe same document, with every <backingStore> filled in and every other byte as it was:")
        run("complete", str(document))
        print("\nNow the base is moved away. The chain is shown down to the fault, and the fault is named:")
        base.rename(place / "moved.raw")
        run("show", str(top), "-f", "qcow2", expected=FINDINGS)
        print("\nNext: diskchain --help, and README.md")


if __name__ == "__main__":
    main()
