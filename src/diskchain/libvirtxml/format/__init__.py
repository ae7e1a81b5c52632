"""From values to libvirt's XML, byte for byte as libvirt writes it: one module a noun, strings joined, no tree.

Every function takes the blanks to start lines with (``pad``) and gives whole lines, or nothing. Order of elements and
attributes, and what is left out when, follow libvirt 11.3.0 (``virDomainDiskDefFormat`` and below in
``conf/domain_conf.c``).
"""
