"""Who has a fallback, and what is allowed when it answers."""

from __future__ import annotations

from pathlib import Path

from localai.chat.off_device import fallback_for
from localai.config import load
from localai.errors import Unreachable
from localai.paths import locate
from localai.providers.pool import ProviderPool
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import ChatCompletionsWire


def test_a_local_provider_alone_has_a_fallback_and_that_alone_is_allowed(
    localai_home: Path,
) -> None:
    paths, wire = locate(), ChatCompletionsWire()
    gone, said = Unreachable("nobody is there"), list[str]()
    with ScriptedServer() as server, ProviderPool(paths) as pool:
        server.routes = wire.routes(wire.stream(wire.answer(["Paris"])))
        paths.config_file.write_text(
            f'cloud.fallback = "farm/scripted"\n[endpoint.farm]\nurl = "{server.url}/v1"\n'
        )
        config = load(paths, {})
        assert fallback_for("openai", gone, config, pool, said.append) is None
        assert (said, server.asked) == ([], [])
        found = fallback_for("ollama", gone, config, pool, said.append)
    assert found is not None
    assert found.config["cloud.allow"] == ("endpoint:farm",)
    assert said == ["nobody is there; farm/scripted answers instead (cloud.fallback)"]
