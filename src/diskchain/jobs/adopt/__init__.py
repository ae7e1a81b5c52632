"""Merges that another tool left half done: which file holds what, by comparison. Looks, and changes nothing.

The rule behind it: over its old layers an overlay reads right at every instant of a merge. What the old layers were is not written anywhere,
so it is taken from evidence, and where that does not prove it the answer is that nobody can tell.
"""
