"""Keys of providers: from the environment first, then from the system's keyring.

A key is never printed, logged or put into an error. `keyring` is optional and slow to import, so it
is asked only if the environment has no key.
"""

from __future__ import annotations

import os
import sys
from dataclasses import field
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from localai.dataclass import dataclass
from localai.errors import InvalidInput, ProviderRefused, Remedy
from localai.redaction import remember

_SERVICE = "localai"


@dataclass(frozen=True, slots=True)
class Key:
    """A secret, and where it was found. Its repr does not show the secret."""

    secret: str = field(repr=False)
    source: str


def get_key(provider: str, variable: str | None) -> Key | None:
    """The key of `provider`, from the environment variable `variable` or the system's keyring.

    None if there is none. Raises InvalidInput if no HTTP header can carry the key, without showing
    it: a library would put it into its error text.
    """
    secret = os.environ.get(variable, "").strip() if variable else ""
    if secret:
        return _checked(Key(secret, f"the environment variable {variable}"))
    secret = (_from_keyring(provider) or "").strip()
    return _checked(Key(secret, "the system keyring")) if secret else None


def require_key(provider: str, variable: str | None) -> Key:
    """Like `get_key`, but raises ProviderRefused, with the command that sets the key, if there is
    none."""
    key = get_key(provider, variable)
    if key is None:
        raise ProviderRefused(
            f"{provider} needs a key, and there is none", **remedy(provider, variable)
        )
    return key


def remedy(provider: str, variable: str | None) -> Remedy:
    """The hint and the command for giving `provider` a key."""
    if variable:
        return {"hint": f"export {variable}=…"}
    if find_spec("keyring") is None:
        # The package is installed with --with-cloud only.
        return {"hint": "give its config `key_env`, the name of a variable that holds the key"}
    return {"command": (_keyring_program(), "set", _SERVICE, provider)}


def _keyring_program() -> str:
    """The program `keyring` as a shell finds it: it comes with the package, into a folder that
    install.sh puts on nobody's PATH."""
    return "keyring" if which("keyring") else str(Path(sys.executable).with_name("keyring"))


def _from_keyring(provider: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(_SERVICE, provider)
    except (KeyringError, RuntimeError):
        # On a machine without a keyring daemon, having no key in it is no failure.
        return None


def _checked(key: Key) -> Key:
    if not key.secret or not key.secret.isascii() or not key.secret.isprintable():
        raise InvalidInput(
            f"the key in {key.source} is empty or has characters that no key has",
            hint="copy it again, without line breaks and quotation marks around it",
        )
    remember(key.secret)
    return key
