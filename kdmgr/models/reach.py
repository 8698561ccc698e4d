"""How far inside a server stands: the world, a private network, this link, this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.hosts import is_loopback

if TYPE_CHECKING:
    import httpx

WORLD, PRIVATE, LINK, LOOPBACK = range(4)


def named_reach(host: str) -> int | None:
    """Where `host` is, as far as its name or address alone says; None for a name that may be anywhere."""
    if is_loopback(host):
        return LOOPBACK
    from ipaddress import IPv6Address, ip_address

    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if address.is_loopback or address.is_unspecified:
        return LOOPBACK
    # Also where clouds keep the secrets of their machines.
    if address.is_link_local:
        return LINK
    return WORLD if address.is_global else PRIVATE


def answering_reach(response: httpx.Response) -> int:
    """Where the server is that answered: by its name, else by the address that was connected to."""
    named = named_reach(response.url.host)
    if named is not None:
        return named
    from urllib.request import getproxies

    stream = response.extensions.get("network_stream")
    # Behind a proxy, the address is the proxy's.
    if stream is None or {"http", "https", "all"} & getproxies().keys():
        return WORLD
    address = stream.get_extra_info("server_addr")
    reach = named_reach(str(address[0])) if isinstance(address, tuple) else None
    return WORLD if reach is None else reach
