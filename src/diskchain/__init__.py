"""Virtual-disk backing chains: read them, check them, complete them, change them safely."""

__version__ = "0.1.0"
