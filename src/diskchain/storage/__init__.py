"""The pure model of what the *host* stores: one :class:`~diskchain.storage.source.Source` per file, recursive.

Does no I/O, knows nothing of guests, of XML, or of image headers.
"""
