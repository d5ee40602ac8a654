"""Virtual machines: one QEMU process a guest, driven over its monitor. They outlive their agent."""
