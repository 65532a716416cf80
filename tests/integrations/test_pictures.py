"""Pictures from strangers' addresses: the open internet only, by the address that was checked, images only."""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from app.errors import Unavailable
from app.integrations.outbound import BoundedTransport
from app.integrations.pictures import (
    MOST_AT_ONCE,
    MOST_BYTES,
    Picture,
    PictureSource,
    is_public,
    media_type_of,
)
from app.settings import Settings
from tests.integrations.serving import listening, serving

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
NAME = "pictures.example"

NOT_PUBLIC_TEXT = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.1.2.3
169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1
192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.1.2.3
240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
100::1 2001::1 2001:0:7f00:1:: 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe::
3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 localhost
nonsense 2130706433 0x7f.1 127.1
"""
NOT_PUBLIC = [one for line in NOT_PUBLIC_TEXT.splitlines() for one in line.split()]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "2606:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (SVG, None),
        (b"<?xml version='1.0'?>" + SVG, None),
        (b"<html>", None),
        (b" " + PNG, None),
        (b"", None),
    ],
)
def test_what_an_image_is_its_first_bytes_say(content: bytes, found: str | None) -> None:
    assert media_type_of(content) == found


class Source(PictureSource):
    """A source whose names lead where a test says; it notes what it would connect to."""

    def __init__(self, leads_to: list[str], issuer: str = "https://idp.example") -> None:
        super().__init__(Settings(_env_file=None, oidc_issuer=issuer))
        self.leads_to = leads_to
        self.resolved: list[str] = []
        self.connected: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        """Resolve as told."""
        self.resolved.append(f"{host}:{port}")
        return self.leads_to

    def transport(self) -> BoundedTransport:
        """Note that a connection was asked for, and make none."""
        self.connected.append("yes")
        raise OSError("no connection here")


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_a_name_that_leads_inside_is_not_connected_to(address: str) -> None:
    for addresses in ([address], ["93.184.215.14", address], [address, "2606:4700::1111"]):
        source = Source(addresses)
        assert await source.fetch(f"https://{NAME}/a.png") is None
        assert source.resolved == [f"{NAME}:443"]
        assert source.connected == []


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example/a.png",
        "https://pictures.example:8443/a.png",
        "https://pictures.example:22/",
        "https://user:password@pictures.example/a.png",
        "ftp://pictures.example/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "//pictures.example/a.png",
        "/a.png",
        "https://",
        "https:///a.png",
        "https://pictures.example:notaport/",
        "https://\x00/",
        "",
    ],
)
async def test_an_address_that_is_no_plain_https_one_is_not_even_resolved(url: str) -> None:
    source = Source(["93.184.215.14"])
    assert await source.fetch(url) is None
    assert source.resolved == []
    assert source.connected == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "0"],
)
async def test_loopback_under_any_name_is_refused_by_the_real_resolver(
    host: str, issuer: object
) -> None:
    assert issuer
    source = PictureSource(Settings(_env_file=None, oidc_issuer="https://idp.example"))
    assert await source.fetch(f"https://{host}/a.png") is None


async def test_the_sandboxs_issuer_does_not_open_https_inside() -> None:
    source = Source(["127.0.0.1"], issuer="http://127.0.0.1:9000")
    for url in ("https://127.0.0.1:9000/a", "http://127.0.0.1:9001/a", "http://127.0.0.1/a"):
        assert await source.fetch(url) is None
    assert source.connected == []


class Gallery:
    """A server of pictures that answers as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answer: Callable[[], Response] = lambda: Response(PNG, media_type="text/html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        request = Request(scope, receive)
        self.asked.append((request.headers["host"], request.url.path))
        await self.answer()(scope, receive, send)


@pytest.fixture
def gallery() -> Iterator[tuple[Gallery, PictureSource, str]]:
    """Serve pictures at an issuer on loopback, as the sandbox may."""
    port, served = listening(), Gallery()
    url = f"http://127.0.0.1:{port.getsockname()[1]}"
    with serving(served, port):
        yield served, PictureSource(Settings(_env_file=None, oidc_issuer=url)), f"{url}/a.png"


Served = tuple[Gallery, PictureSource, str]


async def test_a_picture_is_what_its_bytes_are(gallery: Served) -> None:
    _served, source, url = gallery
    assert await source.fetch(url) == Picture("image/png", PNG)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(SVG, media_type="image/png"),
        lambda: Response(PNG, status_code=404),
        lambda: Response(PNG, status_code=500),
        lambda: Response(PNG + b"\0" * MOST_BYTES),
        lambda: Response(PNG, headers={"Content-Encoding": "gzip"}),
        lambda: Response(b""),
    ],
)
async def test_what_is_no_picture_is_none(gallery: Served, answer: Callable[[], Response]) -> None:
    served, source, url = gallery
    served.answer = answer
    assert await source.fetch(url) is None


async def test_a_picture_that_moved_is_not_followed(gallery: Served) -> None:
    served, source, url = gallery
    served.answer = lambda: RedirectResponse("/b.png")
    assert await source.fetch(url) is None
    assert [path for _host, path in served.asked] == ["/a.png"]


async def test_a_picture_is_fetched_once_for_all_who_ask(gallery: Served) -> None:
    served, source, url = gallery
    found = await asyncio.gather(*(source.fetch(url) for _ in range(20)))
    assert found == [Picture("image/png", PNG)] * 20
    assert len(served.asked) == 1


async def test_few_pictures_are_fetched_at_a_time() -> None:
    waits = asyncio.Event()

    class Slow(Source):
        async def resolve(self, host: str, port: int) -> list[str]:
            await waits.wait()
            return await super().resolve(host, port)

    source = Slow(["10.0.0.1"])
    running = [
        asyncio.create_task(source.fetch(f"https://{NAME}/{number}"))
        for number in range(MOST_AT_ONCE)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await source.fetch(f"https://{NAME}/one more")
    waits.set()
    assert await asyncio.gather(*running) == [None] * MOST_AT_ONCE
    assert await source.fetch(f"https://{NAME}/one more") is None


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for a name; how to serve with it, and how to trust it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    at = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serves.load_cert_chain(path)
    return serves, ssl.create_default_context(cafile=str(path))


@pytest.mark.parametrize(("certified", "shown"), [(NAME, True), ("other.example", False)])
async def test_the_checked_address_has_to_prove_the_name(
    tmp_path: Path, certified: str, *, shown: bool
) -> None:
    serves, trusts = _certificate(tmp_path, certified)
    port, served = listening(), Gallery()
    number = port.getsockname()[1]

    class Near(PictureSource):
        """The open internet, brought to loopback."""

        ports = frozenset({number})

        async def resolve(self, _host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        def is_allowed(self, address: str) -> bool:
            return ipaddress.ip_address(address).is_loopback

        def transport(self) -> BoundedTransport:
            return BoundedTransport(MOST_BYTES, trust_env=False, verify=trusts)

    source = Near(Settings(_env_file=None, oidc_issuer="https://idp.example"))
    with serving(served, port, serves):
        found = await source.fetch(f"https://{NAME}:{number}/a.png")
    assert found == (Picture("image/png", PNG) if shown else None)
    assert served.asked == ([(f"{NAME}:{number}", "/a.png")] if shown else [])
