"""What a host has, as schema lines: its images, and its domains with every file they need. Reads; changes nothing."""
