"""From where the service can be reached: from this machine, or through TLS or one known proxy."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

from scanner.errors import SetupError
from scanner.settings.service import ServiceSettings

__all__ = ["check_reach", "is_loopback", "reach_variables"]


def check_reach(host: str, settings: ServiceSettings) -> None:
    """Check that what other machines send and read is not in the clear.

    Raises:
        SetupError: ``host`` is no loopback address, and there is neither a certificate nor a proxy;
            or a setting of these is not valid.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SetupError("service.tls_cert and service.tls_key: one is set, both are wanted")
    for path in (settings.tls_cert, settings.tls_key):
        if path is not None and not path.is_file():
            raise SetupError(f"{path}: no such file; wanted a certificate or key in PEM")
    if settings.tls_cert is not None and settings.tls_key is not None:
        _check_pair(settings.tls_cert, settings.tls_key)
    if settings.behind_proxy and not _is_address(settings.behind_proxy):
        raise SetupError(
            f"service.behind_proxy: {settings.behind_proxy!r} is no IP address; wanted that of the"
            " one proxy whose forwarded headers are believed"
        )
    if is_loopback(host) or settings.tls_cert is not None or settings.behind_proxy:
        return
    raise SetupError(
        f"service.host: {host} is reachable from other machines, and passwords would cross the"
        " network in the clear; give --tls-cert and --tls-key, or --behind-proxy ADDRESS, or listen"
        " on 127.0.0.1"
    )


def reach_variables(settings: ServiceSettings) -> dict[str, str]:
    """Return the variables by which the processes know what the command line said of this."""
    values = {
        "TLS_CERT": settings.tls_cert and settings.tls_cert.absolute(),
        "TLS_KEY": settings.tls_key and settings.tls_key.absolute(),
        "BEHIND_PROXY": settings.behind_proxy,
    }
    return {f"STREAMWARDEN_SERVICE__{name}": str(of) for name, of in values.items() if of}


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_pair(certificate: Path, key: Path) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            certificate, key, password=_no_password
        )
    except PermissionError as error:
        raise SetupError(
            f"{certificate}, {key}: permission denied; let the user of the service read both"
        ) from error
    except (ssl.SSLError, OSError, ValueError) as error:
        raise SetupError(
            f"{certificate} and {key} are no certificate in PEM with its private key; wanted two"
            " files that belong together, and a key without a passphrase"
        ) from error


def _no_password() -> str:
    """Refuse a key with a passphrase, for which OpenSSL would ask on the terminal."""
    raise ValueError("the key has a passphrase")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
