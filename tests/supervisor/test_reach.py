"""Beyond this machine the service listens only with a certificate, or behind a known proxy."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scanner.errors import SetupError
from scanner.settings.service import ServiceSettings
from scanner.supervisor.health import HealthCheck
from scanner.supervisor.reach import check_reach
from tests.intake.conftest import run_service


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate of localhost, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "service.example"])
def test_an_address_of_other_machines_needs_a_certificate_or_a_proxy(
    host: str, certificate: tuple[Path, Path]
) -> None:
    with pytest.raises(SetupError, match="in the clear; give --tls-cert"):
        check_reach(host, ServiceSettings())
    check_reach(host, ServiceSettings(behind_proxy="192.0.2.7"))
    check_reach(host, ServiceSettings(tls_cert=certificate[0], tls_key=certificate[1]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_needs_neither(host: str) -> None:
    check_reach(host, ServiceSettings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls_cert": Path("/none.pem")}, "both are wanted"),
        ({"tls_cert": Path("/none.pem"), "tls_key": Path("/none.pem")}, "no such file"),
        ({"behind_proxy": "*"}, "no IP address"),
        ({"behind_proxy": "10.0.0.0/8"}, "no IP address"),
    ],
)
def test_a_setting_that_is_not_valid_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        check_reach("127.0.0.1", ServiceSettings(**settings))


def test_files_that_are_no_certificate_with_its_key_are_refused_before_anything_starts(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = certificate
    text = tmp_path / "text.pem"
    text.write_text("hello")
    secured = tmp_path / "secured.pem"
    secured.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"word"),
        )
    )
    for pair in ((text, key), (cert, text), (key, cert), (cert, secured)):
        with pytest.raises(SetupError, match="no certificate in PEM with its private key"):
            check_reach("127.0.0.1", ServiceSettings(tls_cert=pair[0], tls_key=pair[1]))


def test_a_certificate_makes_it_https_and_its_health_is_seen(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    settings = ServiceSettings(data=tmp_path, tls_cert=cert, tls_key=key)
    with run_service(tmp_path, settings) as running:
        trusted = ssl.create_default_context(cafile=str(cert))
        trusted.check_hostname = False
        with httpx.Client(verify=trusted, timeout=60) as client:
            page = client.get(f"https://127.0.0.1:{running.address[1]}/login")
        health = HealthCheck(running.address, dict, is_tls=True)

        assert page.status_code == 200
        assert "max-age" in page.headers["strict-transport-security"]
        assert health._web_answers()
        with pytest.raises(httpx.TransportError):
            running.client.get("/login")


def test_forwarded_headers_are_believed_of_the_one_proxy_alone(tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "https"}
    own = ServiceSettings(data=tmp_path / "a", behind_proxy="127.0.0.1")
    with run_service(tmp_path / "a", own) as running:
        page = running.client.get("/login", headers=forwarded)
        assert "strict-transport-security" in page.headers
        assert running.client.get("/v1/streams").status_code == 401
    other = ServiceSettings(data=tmp_path / "b", behind_proxy="192.0.2.7")
    with run_service(tmp_path / "b", other) as running:
        page = running.client.get("/login", headers=forwarded)
        assert "strict-transport-security" not in page.headers
    with run_service(tmp_path / "c") as running:
        forged = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
        page = running.client.get("/login", headers=forged)
        assert "strict-transport-security" not in page.headers
