"""The pure model of what the *guest* sees: one :class:`~diskchain.guest.disk.Disk` per device; a disk has a source.

Does no I/O and knows nothing of XML. May use the host's model (``storage``); the host's modules never use this one.
"""
