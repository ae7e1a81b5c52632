"""Whole documents of libvirt: domain, snapshot, status, backup."""
