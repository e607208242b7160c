"""What people paste in the place of a model's name: pages of the hub, schemes, tags. Pure.

Translates the text and asks no server. The hub's forms are those of `huggingface_hub` (`hf://`), of
its pages (`/blob/`, `/resolve/`, `/tree/`, `?show_file_info=`) and of Ollama (`hf.co/…:TAG`).
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.formats.gguf_names import is_quantization
from localai.net.target import split_url
from localai.patterns import lazy_pattern

MAIN: Final = "main"
_HUB: Final = lazy_pattern(
    r"(?:hf:(?://)?(?:models/)?"
    r"|(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)(?:/(?:models/)?|$))(?P<rest>.*)",
    re.IGNORECASE,
)
_HUB_NAME: Final = "hf.co/ORG/REPO[:QUANT]"
_REPO: Final = lazy_pattern(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION: Final = lazy_pattern(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_QUANT: Final = lazy_pattern(r"[\w.-]+", re.ASCII)
_SIZE: Final = lazy_pattern(r"(?:\d+x|[ae])?\d+(?:\.\d+)?[bm]", re.IGNORECASE)
_NO_MODELS: Final = ("datasets", "spaces", "collections", "papers", "docs", "blog", "api")
_OLLAMA: Final = lazy_pattern(
    r"(?:ollama://(?:registry\.ollama\.ai/)?|(?:https?://)?(?:www\.)?ollama\.com/)(?P<name>[^?#]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class HubReference:
    """A repository of the hub, and the quantization or the file in it that was named, if any.

    `revision` is a branch, a tag or a commit. `file` may be a name without its folder.
    """

    repo: str
    quant: str | None
    file: str | None = None
    revision: str = MAIN

    @property
    def name(self) -> str:
        """The repository in the form that `pull` takes."""
        return f"hf.co/{self.repo}" + ("" if self.revision == MAIN else f"@{self.revision}")


def hub_reference(text: str, quant: str | None = None) -> HubReference | None:
    """The repository that `hf.co/ORG/REPO[:QUANT]`, `hf:ORG/REPO`, `hf://ORG/REPO`, or the address
    of its page or of a file in it means; None for a text that is not the hub's.

    Raises InvalidInput if the name is not whole, if two quantizations are named, if the page is not
    a model's, or if the file is not a GGUF file.
    """
    match = _HUB.fullmatch(text)
    if match is None:
        return None
    path, query = _without_query(match["rest"])
    path, colon, tag = path.partition(":")
    org, _, name = path.strip("/").partition("/")
    if org.lower() in _NO_MODELS:
        raise InvalidInput(f"{text} is no model's page", hint=_HUB_NAME)
    name, slash, rest = name.partition("/")
    name, at, revision = name.partition("@")
    repo = f"{org}/{name}"
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise _no_repository(text, org, name)
    if colon and not tag:
        raise InvalidInput(
            f"{text} is not whole: the quantization behind the colon is missing",
            hint=f"hf.co/{repo}, or hf.co/{repo}:Q4_K_M",
        )
    reference = HubReference(repo, None, revision=unquote(revision) if at else MAIN)
    if slash:
        reference = _with_path(reference, unquote(rest))
    if query:
        reference = replace(reference, file=query)
    if not _REVISION.fullmatch(reference.revision):
        raise InvalidInput(f"{text}: {reference.revision!r} cannot be a branch, a tag or a commit")
    if reference.file is not None and not reference.file.lower().endswith(".gguf"):
        raise InvalidInput(
            f"{reference.file} is no GGUF file", hint=f"the model it belongs to: {reference.name}"
        )
    if tag.lower().endswith(".gguf"):
        reference = replace(reference, file=unquote(tag))
    elif tag and tag.lower() != "latest":
        if not _QUANT.fullmatch(tag):
            raise InvalidInput(f"{text}: {tag!r} cannot be a quantization")
        reference = replace(reference, quant=tag)
    return _with_quant(reference, quant)


def _no_repository(text: str, org: str, name: str) -> InvalidInput:
    """The error for a name of the hub's that means no repository. It is asked for nowhere else."""
    if name:
        return InvalidInput(f"{text} cannot be a repository of the hub", hint=_HUB_NAME)
    if org:
        return InvalidInput(
            f"{text} is not whole: the repository of {org} is missing",
            hint=f"hf.co/{org}/REPO[:QUANT]",
        )
    return InvalidInput(f"{text} is not whole: the repository is missing", hint=_HUB_NAME)


def plain_name(text: str) -> str:
    """`text` as a name of this machine's models, without a scheme, a page or a tag around it:
    hf://ORG/REPO/x.gguf becomes hf.co/ORG/REPO/x.gguf, a `file:` address becomes its path.

    Raises what `hub_reference` and `file_of_url` raise.
    """
    if (path := file_of_url(text)) is not None:
        return str(path)
    if (reference := hub_reference(text)) is not None:
        within = f"/{reference.file}" if reference.file else ""
        quant = f":{reference.quant}" if reference.quant else ""
        return f"hf.co/{reference.repo}{within}{quant}"
    return ollama_reference(text) or text


def tag_alone(text: str) -> dict[str, str] | None:
    """The message, the hint and the command of an error about what stands behind a model's name and
    is none: `8b`, `q4_K_M`. None for any other text."""
    if _SIZE.fullmatch(text):
        what, hint = "a size", f"a name stands before it, such as qwen3:{text}"
    elif is_quantization(text):
        what, hint = "a quantization", f"a name stands before it: pull NAME --quant {text}"
    else:
        return None
    message = f"{text} is {what} of models, and no model's name"
    return {"message": message, "hint": hint, "command": "localai recommend"}


def file_of_url(text: str) -> Path | None:
    """The path that a `file:` address means; None for any other text. Raises InvalidInput if the
    file is another machine's."""
    if not text.lower().startswith("file:"):
        return None
    parts = split_url(text)
    if parts.netloc.lower() not in ("", "localhost", "127.0.0.1", "~"):
        raise InvalidInput(
            f"{text} is a file of the machine {parts.netloc!r}", hint="file:///folder/model.gguf"
        )
    path = unquote(parts.path)
    if not path or "\0" in path:
        raise InvalidInput(f"{text} names no file", hint="file:///folder/model.gguf")
    return Path(os.path.expanduser(f"~{path}" if parts.netloc == "~" else path))  # noqa: PTH111 (it does not raise for ~nobody)


def ollama_reference(text: str) -> str | None:
    """The name that a page of Ollama's library or `ollama://NAME` means; None for any other
    text."""
    match = _OLLAMA.fullmatch(text)
    if match is None:
        return None
    name = match["name"].rstrip("/").removesuffix("/tags")
    return name.removeprefix("library/") or None


def _without_query(rest: str) -> tuple[str, str | None]:
    """The path of a hub's page, and the file that its query shows."""
    path, _, query = rest.partition("#")[0].partition("?")
    shown = parse_qs(query).get("show_file_info")
    return path, shown[0] if shown else None


def _with_path(reference: HubReference, rest: str) -> HubReference:
    kind, _, below = rest.partition("/")
    if kind in ("blob", "resolve", "raw", "tree"):
        revision, _, path = below.partition("/")
        reference = replace(reference, revision=revision or MAIN)
        path = path.strip("/")
        if kind == "tree":
            # A repository's folder that is named after a quantization holds the files of that.
            folder = path.rpartition("/")[2]
            return replace(reference, quant=folder or None)
        return replace(reference, file=path or None)
    return replace(reference, file=rest.strip("/") or None)


def _with_quant(reference: HubReference, quant: str | None) -> HubReference:
    if quant is None:
        return reference
    named = reference.quant or reference.file
    if named is not None and named.upper() != quant.upper():
        raise InvalidInput(f"both {named} and {quant} are named")
    return replace(reference, quant=quant)
