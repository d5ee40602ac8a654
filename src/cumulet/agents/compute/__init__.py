"""The compute agent: runs guests on one host through a hypervisor driver."""
