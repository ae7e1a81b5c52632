"""Jobs against the real qemu tools."""
