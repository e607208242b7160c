"""A download leaves this machine for the named hosts only, announced, and entered in the ledger.

In a network of its own (tests.privacy.lab), in which other "machines" really answer.
"""

from __future__ import annotations

import pytest

from localai.errors import InvalidInput, PolicyRefused
from localai.fetch.allowed_hosts import AllowedHosts, web_server
from localai.fetch.connection import HttpConnection
from localai.privacy import guard
from localai.types import EgressRecord
from tests.privacy import lab
from tests.privacy.child import in_child
from tests.support.file_server import FileServer

CONTENT = b"a model" * 1000


class _Away:
    """Servers at the addresses of the lab, and the guard with a ledger; made in a child only."""

    def __init__(self) -> None:
        self.servers = {
            name: FileServer(address=address)
            for name, address in (
                ("cloud.example", lab.CLOUD),
                ("other.example", lab.OTHER_CLOUD),
                ("box.lan", lab.LAN),
                ("localhost", "127.0.0.1"),
            )
        }
        self.ledger: list[EgressRecord] = []
        self.told: list[str] = []
        guard.install()
        guard.record_egress("pull", self.ledger.append)

    def url(self, name: str, path: str = "/file") -> str:
        return f"http://{name}:{self.servers[name].port}{path}"

    def get(self, hosts: AllowedHosts, url: str) -> bytes:
        connection = HttpConnection(hosts)
        try:
            return connection.document(url, "file")
        finally:
            connection.close()

    def refused(self, first: str, second: str) -> str:
        """The refusal when `first` redirects to `second`, which must not hear of it."""
        self.servers[first].redirect("/file", self.url(second))
        heard = len(self.servers[second].requests)
        with AllowedHosts(self.told.append) as hosts:
            hosts.permit(web_server(self.url(first)))
            try:
                self.get(hosts, self.url(first))
            except PolicyRefused as error:
                assert len(self.servers[second].requests) == heard
                return error.message
        raise AssertionError(f"{first} could send us on to {second}")


@lab.needs_lab
@in_child(prepare=lab.enter)
def test_the_named_host_and_whom_it_sends_us_on_to_are_all_that_is_reached() -> None:
    away = _Away()
    away.servers["other.example"].put("/signed", CONTENT)
    away.servers["cloud.example"].redirect("/file", away.url("other.example", "/signed"))
    with AllowedHosts(away.told.append) as hosts:
        hosts.permit(web_server(away.url("cloud.example")))
        assert away.get(hosts, away.url("cloud.example")) == CONTENT
        cloud, other = (away.servers[name].port for name in ("cloud.example", "other.example"))
        assert away.told == [f"cloud.example:{cloud} sends us on to other.example:{other}"]
    assert [(each.command, each.host, each.address, each.port) for each in away.ledger] == [
        ("pull", "cloud.example", lab.CLOUD, cloud),
        ("pull", "other.example", lab.OTHER_CLOUD, other),
    ]
    with AllowedHosts() as later:
        _is_refused(away, later, away.url("cloud.example"))
    assert lab.queries == []


def _is_refused(away: _Away, hosts: AllowedHosts, url: str) -> None:
    try:
        away.get(hosts, url)
    except PolicyRefused:
        return
    raise AssertionError(f"{url} was reached without a permission")


@lab.needs_lab
@in_child(prepare=lab.enter)
def test_a_redirect_does_not_change_the_zone() -> None:
    away = _Away()
    # By name, where only the address that answers tells; by what is known before; and outwards.
    assert "to box.lan" in away.refused("cloud.example", "box.lan")
    assert "this machine" in away.refused("cloud.example", "localhost")
    assert "other.example" in away.refused("box.lan", "other.example")
    assert "from this machine to" in away.refused("localhost", "cloud.example")


@lab.needs_lab
@in_child(prepare=lab.enter)
def test_the_proxy_of_the_configuration_carries_what_is_far_away_and_nothing_else() -> None:
    away = _Away()
    proxy = away.servers["localhost"]
    for server in (proxy, away.servers["box.lan"]):
        server.put("/file", CONTENT)
    with AllowedHosts(proxy=proxy.host) as hosts:
        for url in (away.url("cloud.example"), away.url("box.lan").replace("box.lan", lab.LAN)):
            hosts.permit(web_server(url))
            assert away.get(hosts, url) == CONTENT
    cloud = f"cloud.example:{away.servers['cloud.example'].port}"
    assert proxy.paths() == [cloud, "/file"]
    assert away.servers["cloud.example"].paths() == []
    assert away.servers["box.lan"].paths() == ["/file"]
    assert lab.queries == []


@pytest.mark.parametrize("location", ["//[::1/x", "http://[x", "http://127.0.0.1:99999/x"])
def test_a_redirect_that_is_no_address_is_told(location: str) -> None:
    with FileServer() as server:
        server.scripts["/x"] = lambda handler: handler.answer(302, b"", {"Location": location})
        with AllowedHosts() as hosts:
            hosts.permit(web_server(server.url))
            with pytest.raises(InvalidInput, match="redirects to"):
                HttpConnection(hosts).get(f"{server.url}/x")
