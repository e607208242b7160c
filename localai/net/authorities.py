"""The certificate authorities that a TLS connection trusts: the system's.

On macOS they are in the Keychain, a company's own among them. OpenSSL does not look there, and
python.org's Python knows no authority until *Install Certificates* was run. On other systems they
are OpenSSL's own, or certifi's if the machine has none (a slim container). SSL_CERT_FILE or
SSL_CERT_DIR in the environment takes precedence over all of these.
"""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

# Typed as a plain text, so that mypy checks the branches of every system.
_PLATFORM: str = sys.platform
_NAMED_BY_USER = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def trusting_context() -> ssl.SSLContext:
    """A TLS context for clients, which verifies names and certificates by the trusted
    authorities."""
    if any(os.environ.get(name) for name in _NAMED_BY_USER):
        return ssl.create_default_context()
    if _PLATFORM == "darwin":
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    if not _has_authorities(context):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _has_authorities(context: ssl.SSLContext) -> bool:
    if context.cert_store_stats()["x509_ca"]:
        return True
    # OpenSSL reads a folder's authorities when it needs one and does not count them before.
    folder = ssl.get_default_verify_paths().capath
    return folder is not None and any(Path(folder).iterdir())
