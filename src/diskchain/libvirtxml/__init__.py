"""libvirt's XML, both ways: documents to values of ``guest`` and ``storage``, values to documents; and edits in place.

May use the model of both sides of the house; does no I/O. Nothing is imported here: reading and writing need lxml,
editing in place does not.
"""
