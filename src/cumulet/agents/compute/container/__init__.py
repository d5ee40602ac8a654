"""Machine containers (virt_type = lxc): an image's root file system with its own init, in namespaces of its own."""
