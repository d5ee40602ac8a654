"""The metadata service: what a guest asks about itself at 169.254.169.254, passed on by Network's proxy."""
