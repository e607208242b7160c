"""Which certificate authorities a TLS connection trusts: those of the system that it runs on.

On macOS they are in the Keychain, a company's own among them, and OpenSSL does not look there:
python.org's Python knows no authority at all until *Install Certificates* was run. Elsewhere they
are OpenSSL's own, and certifi's where a machine has none (a slim container). A file or a folder
that the user names in SSL_CERT_FILE or SSL_CERT_DIR comes before both.
"""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

# Typed as a plain text, so that the branches of all systems are checked on either.
_PLATFORM: str = sys.platform
_NAMED_BY_USER = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def trusting_context() -> ssl.SSLContext:
    """A client's context that verifies names and certificates by the system's authorities."""
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
    # Those of a folder are read when one is looked for, and not counted before.
    folder = ssl.get_default_verify_paths().capath
    return folder is not None and any(Path(folder).iterdir())
