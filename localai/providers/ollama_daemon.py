"""The Ollama daemon: where it is, whether it may be reached, and the facts of its models.

Where a model is computed is asked each time; the constant facts of a model are remembered by its
digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.errors import NotFound, PolicyRefused, Unreachable
from localai.near_names import did_you_mean
from localai.net.framing import ServerRefused
from localai.net.http import JsonServer, SentRequest
from localai.net.reach import Reach, reach
from localai.net.target import Target, client_target
from localai.providers.ollama_facts import Facts, FactsByDigest, facts_of
from localai.types import Zone
from localai.wires.ollama.model import blob_of, remote_by_name, remote_of
from localai.wires.ollama.refusals import refusal
from localai.wires.ollama.request import wire_keep_alive

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

DEFAULT_PORT = 11434
SERVICE_USERS = ("ollama", "_ollama")
"""Whom its installers make to run it."""
# Loading reads tens of gigabytes on slow disks.
_LOAD_TIMEOUT_S = 1800.0


class Daemon:
    """An Ollama at `target`; facts are remembered under `cache_dir`.

    Every method may raise Unreachable, and PolicyRefused if `target` may not be reached.
    """

    def __init__(self, config: Config, target: Target, cache_dir: Path) -> None:
        self.target = target
        self._config = config
        self._facts = FactsByDigest(cache_dir / "ollama.json")
        self._reached: Reach | None = None
        self._version: str | None = None
        self._server = JsonServer(
            "Ollama",
            target,
            remedy={"command": "ollama serve", "check": "server"},
            permit=lambda: self.reach().grant(),
        )

    def reach(self) -> Reach:
        """The permission to reach it, and its zone, by the address that its host resolves to."""
        if self._reached is None:
            host, port = self.target.host, self.target.port
            self._reached = reach(
                "Ollama", host, port, self._config, cloud="ollama", service_users=SERVICE_USERS
            )
        return self._reached

    def chat(
        self, body: Mapping[str, Any], heard: Callable[[int], None]
    ) -> AbstractContextManager[SentRequest]:
        """Send a question; `heard` is told of whatever comes. ServerRefused is raised when its
        answer is read."""
        return self._server.send("POST", "/api/chat", body, heard=heard)

    def listed(self) -> list[dict[str, Any]]:
        """Every model, as `/api/tags` lists it at this moment."""
        models = self._get("/api/tags").get("models") or ()
        return [entry for entry in models if entry.get("name")]

    def find(self, name: str) -> dict[str, Any]:
        """The entry of `listed` for `name`, `:latest` if it has no tag.

        Raises NotFound with near names.
        """
        listed = self.listed()
        wanted = {name.lower(), f"{name}:latest".lower()}
        for entry in listed:
            if entry["name"].lower() in wanted:
                return entry
        meant = did_you_mean(name, [entry["name"] for entry in listed], likeness=0.5)
        raise NotFound(
            f"Ollama has no model {name!r}", hint=meant, command=("localai", "pull", name)
        )

    def facts(self, entry: Mapping[str, Any]) -> Facts:
        """The constant facts of a listed model, and where it is computed, if known."""
        name, digest = str(entry["name"]), entry.get("digest")
        remote = remote_of(entry) or remote_by_name(name)
        if remote is not None:
            # For a cloud model's details, Ollama may ask its cloud.
            return facts_of(entry, remote)
        if not digest:
            return facts_of(self._show(name))
        return self._facts.get(str(digest), self.version(), lambda: self._show(name))

    def loaded(self, name: str) -> dict[str, Any] | None:
        """The entry of `/api/ps` for the model `name`; None if it is not in memory."""
        for entry in self._get("/api/ps").get("models") or ():
            if name in (entry.get("name"), entry.get("model")):
                return dict(entry)
        return None

    def load(
        self,
        name: str,
        context_tokens: int | None,
        keep_alive_s: float | None,
        *,
        may_shift: bool = True,
    ) -> None:
        """Load the model `name`; a `keep_alive_s` of 0 unloads it instead. None leaves the context
        or the time to the daemon. Raises NotFound, and Ollama's refusals."""
        body: dict[str, Any] = {"model": name, "stream": False}
        if not may_shift:
            body["shift"] = False
        if context_tokens is not None:
            body["options"] = {"num_ctx": context_tokens}
        if keep_alive_s is not None:
            body["keep_alive"] = wire_keep_alive(keep_alive_s)
        try:
            self._server.call("POST", "/api/generate", body, _LOAD_TIMEOUT_S)
        except ServerRefused as error:
            refused = refusal(error.status, error.document, name, context_tokens)
            raise refused from error

    def names_in_memory(self) -> frozenset[str]:
        """The names of the models that are in memory."""
        models = self._get("/api/ps").get("models") or ()
        return frozenset(str(entry["name"]) for entry in models if entry.get("name"))

    def blob_of(self, name: str) -> Path | None:
        """The file of the model `name` in this daemon's own store; None if there is none."""
        try:
            return blob_of(self._show(name).get("modelfile"))
        except NotFound:
            return None

    def cloud_is_off(self) -> bool | None:
        """Whether it was started without its cloud, and so asks its makers for nothing; None if an
        older version does not say."""
        try:
            status = self._server.call("GET", "/api/status")
        except ServerRefused:
            return None
        disabled = (status.get("cloud") or {}).get("disabled") if isinstance(status, dict) else None
        return disabled if isinstance(disabled, bool) else None

    def version(self) -> str:
        """`Ollama 0.17.4`, or just `Ollama`: a build from source has no number."""
        if self._version is None:
            number = str(self._get("/api/version").get("version", ""))
            self._version = "Ollama" if number in ("", "0.0.0") else f"Ollama {number}"
        return self._version

    def _show(self, name: str) -> dict[str, Any]:
        try:
            show: dict[str, Any] = self._server.call("POST", "/api/show", {"model": name})
        except ServerRefused as error:
            raise refusal(error.status, error.document, name, None) from error
        return show

    def _get(self, path: str) -> dict[str, Any]:
        try:
            document = self._server.call("GET", path)
        except ServerRefused as error:
            document = error
        if not isinstance(document, dict):
            raise Unreachable(
                f"what listens at {self.target.address} is not Ollama (GET {path} failed)",
                command="localai config set ollama.host 127.0.0.1:11434",
                check="ollama-port-taken",
            )
        return document


def target_of(config: Config, environ: Mapping[str, str]) -> Target:
    """The address of Ollama: `ollama.host`, else OLLAMA_HOST, else this machine. Raises
    InvalidInput."""
    configured = config["ollama.host"]
    named = "OLLAMA_HOST" if configured is None else "ollama.host"
    return client_target(configured or environ.get("OLLAMA_HOST"), DEFAULT_PORT, named)


def running_ollama(config: Config, paths: Paths, environ: Mapping[str, str]) -> Daemon | None:
    """The Ollama that runs on this machine; None if none does."""
    daemon = Daemon(config, target_of(config, environ), paths.cache_dir)
    try:
        if daemon.reach().zone is not Zone.DEVICE:
            return None
        daemon.version()
    except (Unreachable, PolicyRefused):
        return None
    return daemon
