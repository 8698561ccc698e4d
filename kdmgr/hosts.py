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


def is_this_machine(host: str) -> bool:
    """Whether `host` is this machine by one of its own names or addresses. Asks no name server."""
    if is_loopback(host):
        return True
    import socket

    if host.lower() == socket.gethostname().lower():
        return True
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        packed = socket.inet_pton(family, host)
    except OSError:
        return False
    try:
        # Only an address of its own can be bound to.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((socket.inet_ntop(family, packed), 0))
            return True
    except OSError:
        return False
