"""IP addresses as text, as ss(8) writes them."""

from ipaddress import IPv4Address, IPv6Address


def with_port(address: bytes, port: int) -> str:
    """The *address*, 4 or 16 bytes in network order, and *port*: ``10.0.0.1:443``, ``[::ffff:10.0.0.1]:443``."""
    if len(address) == 4:
        return f"{IPv4Address(address)}:{port}"
    mapped = IPv6Address(address).ipv4_mapped
    return f"[::ffff:{mapped}]:{port}" if mapped else f"[{IPv6Address(address)}]:{port}"
