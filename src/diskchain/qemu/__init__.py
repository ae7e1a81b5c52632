"""QEMU's view of a chain: block nodes as JSON, their names, and a storage daemon that has them open.

``blockdev`` turns a Source into values and does nothing; ``daemon`` runs a process. Host code: what a disk's ``<driver>`` says
about nodes comes in as a :class:`~diskchain.qemu.policy.NodePolicy`.
"""
