"""Addresses of hosts: which of them are this machine."""

from __future__ import annotations


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, IPv6 without brackets) is this machine's own, which no proxy can reach."""
    if f".{host}".rstrip(".").lower().endswith(".localhost"):
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
