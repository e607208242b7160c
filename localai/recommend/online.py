"""What is new on the hub: its lists of known publishers, and the headers of what they have.

Asks under the grant of `hosts` only, reads no weights, and sends nothing of this machine. Whatever
a list or a header holds, it costs its own repository and no other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from localai.errors import LocalaiError, PolicyRefused
from localai.fetch.allowed_hosts import AllowedHosts, web_server
from localai.fetch.connection import HttpConnection
from localai.fetch.hub import Hub
from localai.fetch.hub_client import hub_api, sends_token
from localai.fetch.hub_listing import Listed, list_repositories
from localai.formats import FileFormat
from localai.recommend.catalogued import formats_of
from localai.recommend.hub_header import described_by_header
from localai.recommend.hub_model import HubModel
from localai.recommend.kept_hub import KeptHub, Unread, read_kept, write_kept
from localai.recommend.memory_for_models import memory_for_models
from localai.recommend.publishers import MAKERS, asked_publishers
from localai.stores.references import HubReference

if TYPE_CHECKING:
    from localai.hardware.facts import Machine
    from localai.paths import Paths

# Repositories of a publisher that are looked at, and those of each format whose headers are read:
# a header takes up to 20 MB, which is mostly its vocabulary.
_MOST_LISTED: Final = 30
_MOST_READ: Final = 24
_NEW_DAYS: Final = 365
# For all of it together; what has come by then is kept.
LONGEST_S: Final = 180.0
_LONGEST_REPOSITORY_S: Final = 60.0
# A model that is smaller than this for each of its parameters is of no use.
_LEAST_BYTES: Final = 0.4

Found = tuple[Listed, FileFormat]


def ask_and_keep(
    paths: Paths, endpoint: str, hosts: AllowedHosts, machine: Machine
) -> Iterator[str]:
    """Ask the hub at `endpoint`, and keep what it has. Yields what is being asked, for a person.

    What came is kept however the asking ends, with what was kept before and not asked about again.
    Raises the error of the first publisher if the list of none came, and PolicyRefused.
    """
    before = read_kept(paths)
    latest: KeptHub | None = None
    try:
        for text, kept in _ask(endpoint, hosts, machine, before):
            latest = kept
            yield text
    finally:
        if latest is not None:
            write_kept(paths, latest if latest.whole else _with_earlier(latest, before))


def announcement(endpoint: str) -> str:
    """What leaves this machine, and to whom, in a sentence."""
    server = web_server(endpoint)
    token = ", your token of the hub if you have one" if sends_token(server) else ""
    return (
        f"asking {server.shown} what known publishers have, and for headers of models: it learns "
        f"your address and what is asked for{token}, and nothing of this machine"
    )


def _ask(
    endpoint: str, hosts: AllowedHosts, machine: Machine, before: KeptHub | None
) -> Iterator[tuple[str, KeptHub | None]]:
    """What is being asked, and what came so far; the last is whole."""
    server = web_server(endpoint)
    hosts.permit(server)
    hub_api(endpoint, hosts)
    deadline = time.monotonic() + LONGEST_S
    listed: list[Found] = []
    unasked: list[Unread] = []
    errors: list[LocalaiError] = []
    publishers = [each for each in asked_publishers() if each[1] in formats_of(machine)]
    connection = HttpConnection(hosts, deadline=deadline)
    try:
        for at, (publisher, kind) in enumerate(publishers, 1):
            yield f"asking {server.shown}: {publisher} ({at} of {len(publishers)})", None
            try:
                found = list_repositories(connection, endpoint, publisher, kind, _MOST_LISTED)
                listed += [(each, kind) for each in found]
            except PolicyRefused:
                raise
            except LocalaiError as error:
                errors.append(error)
                unasked.append(Unread(publisher, error.message))
    finally:
        connection.close()
    if len(unasked) == len(publishers):
        raise errors[0]
    chosen = _chosen(listed)
    most_bytes = memory_for_models(machine).total_bytes
    fitting = [each for each in chosen if (each[0].parameters or 0) * _LEAST_BYTES <= most_bytes]
    kept = KeptHub(
        server.shown,
        time.time(),
        unasked=tuple(unasked),
        too_large=len(chosen) - len(fitting),
    )
    for at, (each, kind) in enumerate(fitting, 1):
        yield f"reading headers: {each.repo} ({at} of {len(fitting)})", kept
        kept = _with_model(kept, endpoint, hosts, deadline, before, each, kind)
    yield "", replace(kept, whole=True)


def _with_model(
    kept: KeptHub,
    endpoint: str,
    hosts: AllowedHosts,
    deadline: float,
    before: KeptHub | None,
    listed: Listed,
    kind: FileFormat,
) -> KeptHub:
    """`kept` with the model of `listed`, or with the reason why it is not known."""
    known = _known(before, listed, kind)
    if known is not None:
        return replace(kept, models=(*kept.models, known))
    now = time.monotonic()
    if now > deadline:
        late = Unread(listed.repo, f"not reached within {LONGEST_S:.0f} s: ask again")
        return replace(kept, unread=(*kept.unread, late))
    until = min(deadline, now + _LONGEST_REPOSITORY_S)
    try:
        reference = HubReference(listed.repo, None)
        plan, variants = Hub(endpoint, hosts, deadline=until).look(reference)
        model = described_by_header(listed, kind, plan, variants, time.time())
    except PolicyRefused:
        raise
    except LocalaiError as error:
        return replace(kept, unread=(*kept.unread, Unread(listed.repo, error.message)))
    return replace(kept, models=(*kept.models, model))


def _known(before: KeptHub | None, listed: Listed, kind: FileFormat) -> HubModel | None:
    """The model as it was read before, with today's numbers; None if it has changed since."""
    for model in () if before is None else before.models:
        if model.repo == listed.repo and model.format == kind and listed.commit == model.commit:
            if listed.commit is None:
                return None
            return replace(model, downloads=listed.downloads, gated=listed.gated)
    return None


def _with_earlier(asked: KeptHub, before: KeptHub | None) -> KeptHub:
    """`asked`, which was broken off, with the earlier models that it did not come to."""
    if before is None or before.server != asked.server:
        return asked
    named = {(each.repo, each.format) for each in asked.models}
    earlier = [each for each in before.models if (each.repo, each.format) not in named]
    return replace(asked, models=(*asked.models, *earlier))


def _chosen(listed: Sequence[Found]) -> list[Found]:
    """What is worth reading: new, of a known maker, each model once a format, the most popular
    first."""
    since = date.today() - timedelta(days=_NEW_DAYS)
    known = [each for each in listed if _of_known_maker(each[0])]
    new = [each for each in known if each[0].created is None or each[0].created >= since]
    by_model: dict[tuple[str, FileFormat], Found] = {}
    for found in sorted(new, key=_popularity, reverse=True):
        each, kind = found
        by_model.setdefault(((each.base or each.repo).lower(), kind), found)
    chosen: list[Found] = []
    for kind in ("gguf", "mlx"):
        chosen += [found for found in by_model.values() if found[1] == kind][:_MOST_READ]
    return chosen


def _of_known_maker(listed: Listed) -> bool:
    maker = (listed.base or listed.repo).partition("/")[0]
    return maker.lower() in MAKERS


def _popularity(found: Found) -> tuple[float, int]:
    listed = found[0]
    return listed.trending or 0.0, listed.downloads or 0
