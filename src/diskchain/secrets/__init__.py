"""Where a layer's key comes from, and a value for it that does not show itself. Knows no QEMU and no libvirt."""
