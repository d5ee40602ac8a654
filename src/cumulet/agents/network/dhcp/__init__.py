"""DHCP by dnsmasq, one process a network in the namespace `qdhcp-<network id>`."""
