"""Rights given for an operation: planned, journalled, applied, and given back exactly. A grant is a change of rights, never of a chain."""
