"""Who may touch which layer: what an operation needs, what the files allow, what would fix it, and the way back.

Host code: knows :class:`~diskchain.storage.source.Source` chains and the host's files, never guests, XML or a libvirt
connection. Requirements, forecasts and plans are pure (``requirements``, ``judge``, ``fixes``, ``audit``, ``kernel.open_check``, ``grants.plan``,
``grants.revert_rules``); ``evidence``, ``image_locks``, ``kernel.path_walk`` and ``security.saved_labels`` look; only ``grants.apply``
and ``grants.revert`` change anything, and they write to ``grants.journal`` first.
"""
