"""Bytes in, :class:`~diskchain.image.header.ImageHeader` out. Opens nothing a header names, does no I/O of its own.

Whoever has the bytes hands over a :class:`~diskchain.image.window.Window`. *Probing* (guessing a format) and
*inspecting* (reading the header of a known format) are separate acts, in ``probe`` and ``inspect``.
"""
