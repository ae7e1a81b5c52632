"""Who may touch which layer: what an operation needs, what the files allow, what would mend it, and the way back.

Host code: knows :class:`~diskchain.storage.source.Source` chains and the host's files, never guests, XML or a libvirt
connection. Models, predictions and plans are pure (``need``, ``acl``, ``predict``, ``relabel``, ``apparmor``, ``mend``,
``plan``, ``drift``); ``present``, ``locks`` and ``remembered`` look; only ``apply`` and ``revert`` change anything, and
they write to the ``journal`` first.
"""
