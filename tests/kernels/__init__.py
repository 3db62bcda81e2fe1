"""The exporter on other kernels: Debian's, each booted in a machine that qemu emulates."""
