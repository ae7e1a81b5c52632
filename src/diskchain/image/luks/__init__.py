"""LUKS headers of both versions: read, checked, and tried with a passphrase."""
