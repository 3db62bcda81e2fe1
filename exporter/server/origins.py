"""Where a request comes from: which network, by which name for this server, and from whose web page."""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

_PORT = re.compile(r":\d*$", re.ASCII)
_OTHER_SITES = frozenset({"cross-site", "same-site"})
"""What browsers say where the page is not of this very server (Fetch Metadata)."""


def network(address: str) -> str:
    """Whom an IP *address* belongs to: with IPv6, everybody has a network of 2^64 of them."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return found.exploded[:19] if isinstance(found, IPv6Address) and not found.ipv4_mapped else address


def is_named(host: str, names: frozenset[str]) -> bool:
    """Whether the *host* that a request names is one of *names*, or cannot be a name of somebody else's.

    Whoever has a domain can have it point here, and then a page of theirs may read what is served to a browser that has
    it open (DNS rebinding). Nobody can do that to localhost, or to an address.
    """
    name = _PORT.sub("", host).rstrip(".").lower()
    return name in names or name == "localhost" or _is_address(name)


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another server has made the request; programs say nothing of that."""
    _, _, origin = headers.get("Origin", "").lower().partition("://")
    is_foreign = "Origin" in headers and (not origin or origin != headers.get("Host", "").lower())
    return is_foreign or headers.get("Sec-Fetch-Site", "") in _OTHER_SITES


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
