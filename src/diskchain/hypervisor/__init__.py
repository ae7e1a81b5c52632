"""A live libvirt connection. The only package that imports libvirt-python, and it does so only when used."""
