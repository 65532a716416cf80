"""Who really calls: forwarded headers count only where a trusted proxy wrote them."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Address = IPv4Address | IPv6Address
UNKNOWN = "0.0.0.0"  # noqa: S104 - a caller without an address, such as a Unix socket's


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


class Proxies:
    """The list of proxies from the settings: addresses or networks."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [ip_network(text, strict=False) for text in trusted]

    def caller(self, scope: Scope) -> tuple[str, str]:
        """Tell the caller's address and scheme.

        The list of X-Forwarded-For is read from its right end, where the nearest proxy wrote, past
        the trusted ones; what an untrusted caller put there is never reached.
        """
        peer = _address((scope.get("client") or (UNKNOWN, 0))[0])
        scheme = str(scope.get("scheme", "http"))
        if not self._trusts(peer):
            return str(peer or UNKNOWN), scheme
        headers = Headers(scope=scope)
        said = headers.get("x-forwarded-proto", "").split(",")[-1].strip()
        if said in ("http", "https"):
            scheme = said
        hops = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed(hops):
            found = _address(hop)
            if found is None:
                break
            peer = found
            if not self._trusts(found):
                break
        return str(peer), scheme

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def address_group(ip: str) -> str:
    """Count an IPv6 caller by its /64: one subscriber has 2⁶⁴ addresses."""
    found = _address(ip)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, 64), strict=False))
    return ip
