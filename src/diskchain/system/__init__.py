"""What the operating system is asked, and what the standard library lacks. Knows no disks."""
