"""What a grant permits, what it does not, and that it ends. Peers are those of the lab."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from localai.errors import PolicyRefused
from localai.types import EgressRecord, Purpose, Zone
from tests.privacy import lab
from tests.privacy.child import in_child

pytestmark = lab.needs_lab


def _install() -> Any:
    from localai.privacy import guard

    guard.install()
    return guard


def _reach(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=5).close()


@in_child(prepare=lab.enter)
def test_a_granted_host_can_be_reached_and_another_cannot_and_it_ends() -> None:
    cloud, other = lab.listen(lab.CLOUD), lab.listen(lab.OTHER_CLOUD)
    guard = _install()
    with guard.grant(Purpose.INFERENCE, "Cloud.Example", zone=Zone.CLOUD):
        _reach("cloud.example", cloud)
        _reach("CLOUD.example", cloud)
        with pytest.raises(PolicyRefused, match=r"look up other\.example"):
            _reach("other.example", other)
        with pytest.raises(PolicyRefused, match=rf"connect to {lab.OTHER_CLOUD} port {other}"):
            _reach(lab.OTHER_CLOUD, other)
    with pytest.raises(PolicyRefused, match=r"look up cloud\.example"):
        _reach("cloud.example", cloud)
    with pytest.raises(PolicyRefused, match=f"connect to {lab.CLOUD}"):  # learned, and forgotten
        _reach(lab.CLOUD, cloud)


@in_child(prepare=lab.enter)
def test_an_address_is_not_covered_before_the_granted_name_was_resolved_to_it() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    with guard.grant(Purpose.DOWNLOAD, "cloud.example", zone=Zone.CLOUD):
        with pytest.raises(PolicyRefused):
            _reach(lab.CLOUD, cloud)
        socket.getaddrinfo("cloud.example", cloud)
        _reach(lab.CLOUD, cloud)


@in_child(prepare=lab.enter)
def test_a_granted_address_and_port_is_only_that() -> None:
    first, second = lab.listen(lab.CLOUD), lab.listen(lab.CLOUD)
    guard = _install()
    with guard.grant(Purpose.INFERENCE, lab.CLOUD, first, zone=Zone.CLOUD):
        _reach(lab.CLOUD, first)
        with pytest.raises(PolicyRefused, match=f"port {second}"):
            _reach(lab.CLOUD, second)


@in_child(prepare=lab.enter)
def test_a_name_given_to_connect_is_resolved_under_the_grant() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    with guard.grant(Purpose.INFERENCE, "cloud.example", zone=Zone.CLOUD), socket.socket() as sock:
        sock.connect(("cloud.example", cloud))
        assert sock.getpeername() == (lab.CLOUD, cloud)


@in_child(prepare=lab.enter)
def test_a_star_covers_the_names_below_and_not_the_name_itself() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    with guard.grant(Purpose.DOWNLOAD, "*.files.example", zone=Zone.CLOUD):
        _reach("cdn.files.example", cloud)
        for name in ("files.example", "evilfiles.example", "cdn.files.example.evil"):
            with pytest.raises(PolicyRefused):
                socket.getaddrinfo(name, 443)
    assert lab.queries == []


@in_child(prepare=lab.enter)
def test_hosts_of_the_local_network_are_those_that_the_config_names() -> None:
    lan, tailnet = lab.listen(lab.LAN), lab.listen(lab.CGNAT)
    guard = _install()
    with pytest.raises(PolicyRefused, match="lan") as refused:
        _reach(lab.LAN, lan)
    assert refused.value.command == f"localai config set network.lan {lab.LAN}"
    guard.allow_lan(["box.lan", lab.CGNAT])
    _reach("box.lan", lan)
    _reach(lab.CGNAT, tailnet)
    guard.allow_lan([])
    with pytest.raises(PolicyRefused):
        _reach("box.lan", lan)


@in_child(prepare=lab.enter)
def test_a_host_called_local_whose_address_is_not_stays_refused() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    guard.allow_lan(["deceiver.lan"])
    with pytest.raises(PolicyRefused, match=r"which deceiver\.lan resolves to \(cloud\)"):
        _reach("deceiver.lan", cloud)


@in_child(prepare=lab.enter)
def test_every_connection_off_the_machine_is_reported_before_it_is_made() -> None:
    cloud, lan, here = lab.listen(lab.CLOUD), lab.listen(lab.LAN), lab.listen("127.0.0.1")
    guard = _install()
    ledger: list[EgressRecord] = []
    seen: list[EgressRecord] = []
    guard.record_egress("pull", ledger.append)
    guard.allow_lan(["box.lan"])
    _reach("127.0.0.1", here)
    _reach("box.lan", lan)
    with guard.grant(Purpose.DOWNLOAD, "cloud.example", zone=Zone.CLOUD, on_connect=seen.append):
        _reach("cloud.example", cloud)
        sock = socket.socket(socket.AF_INET6)
        sock.connect_ex((f"::ffff:{lab.CLOUD}", cloud))
    with pytest.raises(PolicyRefused):
        _reach("cloud.example", cloud)
    told = [(each.command, each.purpose, each.host, each.address, each.port) for each in ledger]
    assert told == [
        ("pull", Purpose.INFERENCE, "box.lan", lab.LAN, lan),
        ("pull", Purpose.DOWNLOAD, "cloud.example", lab.CLOUD, cloud),
        ("pull", Purpose.DOWNLOAD, "cloud.example", f"::ffff:{lab.CLOUD}", cloud),
    ]
    assert seen == ledger[1:]
    assert all(each.at > 1_700_000_000 for each in ledger)


@in_child(prepare=lab.enter)
def test_what_passes_on_is_entered_as_where_it_goes() -> None:
    """A proxy or a daemon, on this machine or near it, is not where a departure ends."""
    from localai.net.reach import Reach

    here, lan = lab.listen("127.0.0.1"), lab.listen(lab.LAN)
    guard = _install()
    ledger: list[EgressRecord] = []
    guard.record_egress("chat", ledger.append)
    with Reach("127.0.0.1", here, Zone.CLOUD, passed_on_to="api.example").grant():
        _reach("127.0.0.1", here)
    with Reach("box.lan", lan, Zone.CLOUD, passed_on_to="api.example").grant():
        _reach("box.lan", lan)
    with guard.passed_on_to("ollama.com"):
        _reach("127.0.0.1", here)
    _reach("127.0.0.1", here)
    assert [(each.host, each.address, each.port) for each in ledger] == [
        ("api.example", "127.0.0.1", here),
        ("api.example", lab.LAN, lan),
        ("ollama.com", "127.0.0.1", here),
    ]


@in_child(prepare=lab.enter)
def test_a_name_that_is_rebound_to_a_nearer_address_is_refused() -> None:
    from localai.net.reach import Reach

    ports = {host: lab.listen(host) for host in ("127.0.0.1", lab.LAN, lab.CLOUD)}
    guard = _install()
    for zone, nearer in ((Zone.CLOUD, "127.0.0.1"), (Zone.CLOUD, lab.LAN), (Zone.LAN, "127.0.0.1")):
        port = ports[nearer]
        Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{nearer} rebound.example\n")
        rebound = Reach("rebound.example", port, zone)
        with rebound.grant(), pytest.raises(PolicyRefused, match=f"judged {zone.label}") as caught:
            _reach("rebound.example", port)
        assert nearer in caught.value.message
    # Of several addresses those are used that lie where the server was found to be.
    cloud = ports[lab.CLOUD]
    Path("/etc/hosts").write_text(f"127.0.0.1 both.example\n{lab.CLOUD} both.example\n")
    with Reach("both.example", cloud, Zone.CLOUD).grant():
        peer = socket.create_connection(("both.example", cloud), timeout=5).getpeername()
    assert peer[0] == lab.CLOUD
    assert guard.last_refusal() is not None


@in_child(prepare=lab.enter)
def test_a_redirect_to_a_name_of_this_machine_or_its_network_is_refused_to_every_library() -> None:
    import httpx

    from localai.fetch.allowed_hosts import AllowedHosts, WebServer

    ports = {host: lab.listen(host) for host in ("127.0.0.1", lab.LAN)}
    _install()
    for nearer, port in ports.items():
        Path("/etc/hosts").write_text(f"{lab.CLOUD} hub.example\n{nearer} store.example\n")
        hub, store = (WebServer("http", name, port) for name in ("hub.example", "store.example"))
        with AllowedHosts() as hosts:
            hosts.permit(hub)
            hosts.permit_redirect(hub, store)
            with pytest.raises(PolicyRefused, match="judged cloud"):
                httpx.get(f"http://{store.shown}/secret?path", timeout=5)
            with pytest.raises(PolicyRefused, match="judged cloud"):
                _reach(store.host, port)


@in_child(prepare=lab.enter)
def test_what_cannot_be_entered_in_the_ledger_does_not_happen() -> None:
    server = socket.create_server((lab.CLOUD, 0))
    server.setblocking(False)
    guard = _install()

    def disk_is_full(record: EgressRecord) -> None:
        raise OSError(28, "No space left on device")

    guard.record_egress("chat", disk_is_full)
    full = pytest.raises(OSError, match="No space left")
    with guard.grant(Purpose.INFERENCE, lab.CLOUD, zone=Zone.CLOUD), full:
        _reach(*server.getsockname())
    with pytest.raises(BlockingIOError):
        server.accept()


@in_child(prepare=lab.enter)
def test_a_ledger_that_would_itself_connect_is_refused_and_not_called_again() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    calls: list[EgressRecord] = []

    def connects(record: EgressRecord) -> None:
        calls.append(record)
        _reach(lab.CLOUD, cloud)

    guard.record_egress("chat", connects)
    with (
        guard.grant(Purpose.INFERENCE, lab.CLOUD, zone=Zone.CLOUD),
        pytest.raises(PolicyRefused, match="while a connection is entered in the ledger"),
    ):
        _reach(lab.CLOUD, cloud)
    assert len(calls) == 1


@in_child(prepare=lab.enter)
def test_a_grant_holds_in_all_threads_and_event_loops() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    ledger: list[EgressRecord] = []
    guard.record_egress("bench", ledger.append)

    async def open_one() -> None:
        _, writer = await asyncio.open_connection("cloud.example", cloud)
        writer.close()

    with guard.grant(Purpose.INFERENCE, "cloud.example", zone=Zone.CLOUD):
        asyncio.run(open_one())
        threads = [
            threading.Thread(target=_reach, args=("cloud.example", cloud)) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(ledger) == 17


@in_child(prepare=lab.enter)
def test_a_request_of_a_server_never_borrows_the_grant_of_another() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    granted, tried = threading.Event(), threading.Event()
    outcomes: dict[str, object] = {}

    def first_request() -> None:
        permitted = guard.grant(Purpose.INFERENCE, "cloud.example", zone=Zone.CLOUD)
        with guard.new_scope(), permitted:
            _reach("cloud.example", cloud)
            granted.set()
            assert tried.wait(10)
            outcomes["refused in the first"] = guard.last_refusal()

    def second_request() -> None:
        with guard.new_scope():
            assert granted.wait(10)
            for host in ("cloud.example", lab.CLOUD):
                try:
                    _reach(host, cloud)
                    outcomes[host] = "reached"
                except PolicyRefused:
                    outcomes[host] = "refused"
            outcomes["refused in the second"] = guard.last_refusal()
        tried.set()

    threads = [threading.Thread(target=each) for each in (first_request, second_request)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes["cloud.example"] == outcomes[lab.CLOUD] == "refused"
    assert outcomes["refused in the first"] is None
    assert isinstance(outcomes["refused in the second"], PolicyRefused)
    # And nothing of it is left, here or there.
    assert guard.last_refusal() is None
    with pytest.raises(PolicyRefused):
        _reach("cloud.example", cloud)


@in_child(prepare=lab.enter)
def test_two_tasks_of_one_thread_have_each_their_own_grants() -> None:
    guard = _install()

    async def granted(both: asyncio.Barrier) -> bool:
        with guard.new_scope(), guard.grant(Purpose.PROBE, "a.example", zone=Zone.CLOUD):
            await both.wait()
            with contextlib.suppress(socket.gaierror):
                socket.getaddrinfo("a.example", 80, flags=socket.AI_NUMERICHOST)
            return True

    async def not_granted(both: asyncio.Barrier) -> bool:
        with guard.new_scope():
            await both.wait()
            with pytest.raises(PolicyRefused):
                socket.getaddrinfo("a.example", 80)
            return True

    async def run() -> None:
        both = asyncio.Barrier(2)
        assert all(await asyncio.gather(granted(both), not_granted(both)))

    asyncio.run(run())


@in_child(prepare=lab.enter)
def test_a_thread_has_the_grants_of_a_request_if_it_is_handed_them() -> None:
    cloud = lab.listen(lab.CLOUD)
    guard = _install()
    outcomes: list[str] = []

    def reach() -> None:
        try:
            _reach("cloud.example", cloud)
            outcomes.append("reached")
        except PolicyRefused:
            outcomes.append("refused")

    permitted = guard.grant(Purpose.INFERENCE, "cloud.example", zone=Zone.CLOUD)
    with guard.new_scope(), permitted:
        for target in (reach, guard.in_scope(reach)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert outcomes == ["refused", "reached"]


@in_child(prepare=lab.enter)
def test_many_threads_open_and_close_grants_without_losing_one() -> None:
    guard = _install()
    failures: list[PolicyRefused] = []

    def open_and_close(number: int) -> None:
        name = f"host{number}.example"
        try:
            for _ in range(200):
                permitted = guard.grant(Purpose.DOWNLOAD, name, zone=Zone.CLOUD)
                with permitted, contextlib.suppress(socket.gaierror):
                    socket.getaddrinfo(name, 80, flags=socket.AI_NUMERICHOST)
        except PolicyRefused as error:
            failures.append(error)

    threads = [threading.Thread(target=open_and_close, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(PolicyRefused):
        socket.getaddrinfo("host0.example", 80)
