"""From libvirt's XML to values: one module a noun, one pass over the children of each element.

What libvirt's parser refuses is refused here, with the line; what it only fills in afterwards is left alone
(:mod:`diskchain.libvirtxml.postparse` does that when asked). Source: libvirt 11.3.0 (``conf/domain_conf.c``).
"""
