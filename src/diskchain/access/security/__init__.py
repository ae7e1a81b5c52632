"""What confines a process besides the kernel: SELinux, AppArmor, and the labels libvirt gives files and takes back."""
