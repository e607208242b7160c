"""The guard sees the official SDKs: without a grant they fail before a name is resolved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cloud_wires import MessagesWire, ResponsesWire
from tests.support.command import REPOSITORY
from tests.support.processes import bare_environment
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import Wire

_SCRIPT = """
import sys
from localai.privacy import guard
guard.install()
from localai.errors import PolicyRefused, find_localai_error
resolved = []
sys.addaudithook(lambda event, a: resolved.append(a[0]) if event == "socket.getaddrinfo" else None)
import {package}
try:
    {call}
except Exception as error:
    refusal = find_localai_error(error)
    assert isinstance(refusal, PolicyRefused), repr(error)
    assert {host!r} in refusal.message, refusal.message
    assert "sk-test" not in refusal.message
    # Hooks run in the order in which they were added: the guard stopped the look-up first.
    assert resolved == [], resolved
    print(refusal.command)
else:
    raise SystemExit("it got through")
"""
_OPENAI = "openai.OpenAI(api_key='sk-test', max_retries=0).responses.create(model='m', input='x')"
_ANTHROPIC = (
    "anthropic.Anthropic(api_key='sk-test', max_retries=0).messages.create("
    "model='m', max_tokens=9, messages=[{'role': 'user', 'content': 'x'}])"
)


def run_python(
    script: str, home: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `script` in a process of its own: the guard cannot be taken out of this one again."""
    own = {"PYTHONPATH": str(REPOSITORY), "LOCALAI_HOME": str(home), **environment}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=bare_environment(home) | own,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("package", "call", "host"),
    [("openai", _OPENAI, "api.openai.com"), ("anthropic", _ANTHROPIC, "api.anthropic.com")],
)
def test_an_sdk_without_a_grant_is_refused_before_dns(
    tmp_path: Path, package: str, call: str, host: str
) -> None:
    ran = run_python(_SCRIPT.format(package=package, call=call, host=host), tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == f"localai config set cloud.allow {package}"


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_provider_with_consent_gets_through_the_guard(tmp_path: Path, name: str) -> None:
    """With consent and no network the look-up fails, which shows that the guard let it try."""
    script = f"""
from localai.privacy import guard
guard.install()
from localai.config import load
from localai.errors import Unreachable
from localai.paths import locate
from localai.providers.registry import open_provider
import _socket, socket
def nobody(*_, **__): raise socket.gaierror(-2, "Name or service not known")
_socket.getaddrinfo = nobody
paths = locate()
provider = open_provider({name!r}, load(paths), paths)
try:
    provider.models()
except Unreachable as error:
    print(error.message)
"""
    keys = {"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-test"}
    ran = run_python(script, tmp_path, LOCALAI_CLOUD_ALLOW=name, **keys)
    assert ran.returncode == 0, ran.stderr
    assert f"api.{name}.com" in ran.stdout


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_an_sdk_works_under_the_guard(tmp_path: Path, name: str) -> None:
    """What the SDKs ask of the system by the way (`uname -p`, the keyring) does not stop them."""
    wires: dict[str, Wire] = {"openai": ResponsesWire(), "anthropic": MessagesWire()}
    wire = wires[name]
    script = f"""
from localai.privacy import guard
guard.install()
from tests.contract.row_{name} import provider_at
from tests.providers.scripted import question, text_of
from pathlib import Path
import sys
provider = provider_at(sys.argv[1], Path(sys.argv[2]))
provider.resolve("scripted")
print(text_of(list(provider.stream(question()))))
"""
    with ScriptedServer(wire.routes(wire.stream(wire.answer(["Par", "is"])))) as server:
        ran = run_python(script, tmp_path, server.url, str(tmp_path))
    assert (ran.returncode, ran.stdout) == (0, "Paris\n"), ran.stderr


def test_opening_the_table_imports_no_sdk(tmp_path: Path) -> None:
    script = """
import sys
import localai.providers.openai, localai.providers.anthropic, localai.providers.endpoint
heavy = {"openai", "anthropic", "httpx2", "pydantic", "keyring", "genai_prices", "psutil"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    ran = run_python(script, tmp_path)
    assert ran.returncode == 0, ran.stderr
