"""What open(2) will say: owner, mode, ACL, capabilities and mounts of a file and of every directory on the way to it."""
