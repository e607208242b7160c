"""The basis of connections: the certificates of authorities, the name localhost, the proxy."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from localai.doctor.capture.context import Context
from localai.doctor.capture.http import ask
from localai.doctor.facts.servers import ServerState
from localai.doctor.facts.snapshot import Trust
from localai.net.target import client_target
from localai.privacy.zones import zone_of_host
from localai.types import Zone

_FILES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")


def trust(context: Context) -> Trust:
    """Certificates, names and the proxy. No other machine is asked."""
    proxy = context.config["network.proxy"]
    return Trust(
        ca_files={
            name: _fault(Path(context.environ[name]))
            for name in _FILES
            if context.environ.get(name)
        },
        default_authorities=_default_authorities(),
        localhost=_localhost(),
        proxy=proxy or "",
        proxy_state=_proxy_state(proxy) if proxy else None,
    )


def _fault(file: Path) -> str:
    """The fault of a certificate file; "" if it has none."""
    try:
        if file.is_dir():
            return "" if any(file.iterdir()) else "an empty folder"
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return str(error.strerror)
    return "" if "-----BEGIN" in text else "there is no certificate in it"


def _default_authorities() -> int:
    """The number of authorities that Python trusts by itself. A folder is read on demand, so its
    files are counted."""
    import ssl

    counted = ssl.create_default_context().cert_store_stats()["x509_ca"]
    folder = Path(ssl.get_default_verify_paths().capath or "/nowhere")
    return counted or (sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0)


def _localhost() -> tuple[str, ...]:
    answers = socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _proxy_state(proxy: str) -> ServerState | None:
    target = client_target(proxy, 8080, "network.proxy")
    if zone_of_host(target.host) is not Zone.DEVICE:
        return "elsewhere"
    # Any answer will do, even a refusal of the request.
    return ask(target.host, target.port, "/").state
