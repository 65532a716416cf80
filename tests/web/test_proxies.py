"""Who really calls."""

import pytest

from app.web.proxies import Proxies, address_group

TRUSTED = ("10.0.0.0/8", "::1")


def scope(peer: str, **headers: str) -> dict:
    raw = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    return {"type": "http", "client": (peer, 1), "scheme": "http", "headers": raw}


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ("10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.1.2.3", "nonsense", "10.1.2.3"),
        ("10.1.2.3", "1.1.1.1, nonsense", "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("::1", "2001:db8::9", "2001:db8::9"),
        ("::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_forwarded_addresses_count_from_trusted_proxies_only(
    peer: str, forwarded: str, caller: str
) -> None:
    assert Proxies(TRUSTED).caller(scope(peer, x_forwarded_for=forwarded))[0] == caller


def test_the_scheme_counts_from_trusted_proxies_only() -> None:
    proxies = Proxies(TRUSTED)
    assert proxies.caller(scope("10.1.2.3", x_forwarded_proto="https"))[1] == "https"
    assert proxies.caller(scope("10.1.2.3", x_forwarded_proto="gopher"))[1] == "http"
    assert proxies.caller(scope("192.0.2.1", x_forwarded_proto="https"))[1] == "http"


def test_an_ipv6_caller_is_counted_by_its_network() -> None:
    assert address_group("2001:db8:0:1::5") == address_group("2001:db8:0:1:ffff::1")
    assert address_group("2001:db8:0:1::5") != address_group("2001:db8:0:2::5")
    assert address_group("192.0.2.1") == "192.0.2.1"
