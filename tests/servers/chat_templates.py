"""The chat templates of many makers, as the embedded engine's source distribution carries them.

llama.cpp keeps them for its own tests. They are their makers' work, under their models' licences,
so none is in this repository.
"""

from __future__ import annotations

import shutil
import tarfile
from importlib.metadata import version
from pathlib import Path

from tests.servers.cache import cache_root, make_once
from tests.servers.packages import download

_FOLDER = "/thirdparty/llama.cpp/models/templates/"


def chat_templates() -> Path:
    """The folder of the templates, a file a model, once they are there."""
    return cache_root() / f"chat-templates-{version('xllamacpp')}"


def fetch() -> Path:
    """Fetch the templates unless they are cached."""
    return make_once(chat_templates(), _extract_into)


def _extract_into(folder: Path) -> None:
    scratch = folder / "scratch"
    [archive] = download("engine-source", scratch)
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and _FOLDER in member.name:
                member.name = Path(member.name).name
                tar.extract(member, folder, filter="data")
    shutil.rmtree(scratch)
