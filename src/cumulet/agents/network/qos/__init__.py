"""Bandwidth, packet rates and DSCP marks of ports."""
