"""How fast a pull is beside curl, from the same nginx on loopback, and how much memory it takes.

    python -m benchmarks.pull [--gigabytes 2] [--runs 5] [--nginx /usr/sbin/nginx]

`localai, download` is the download alone, SHA-256 and fsync included, in a process that has
started; `localai pull` is the whole command: start, header, two questions to the engine,
download. curl computes no digest and leaves its data to the system; `curl, on the disk` waits for
it, as localai does. The file that is served is in the page cache. `--dry-run` asks about a model of
5 GB, of which there is only the header and a hole.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import localai, machine, needing
from tests.formats.synthetic import Spec, write, write_header
from tests.support.processes import free_port

_CONFIGURATION = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 2;
events {{ worker_connections 64; }}
http {{
  access_log off;
  sendfile on;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""

_DOWNLOAD = """
import sys, time
from pathlib import Path
from localai.fetch.download import fetch_file
from localai.fetch.allowed_hosts import AllowedHosts
from localai.fetch.gguf_url import plan_url
from localai.paths import locate

url = sys.argv[1]
with AllowedHosts() as hosts:
    plan = plan_url(url, hosts, locate())
    started = time.perf_counter()
    list(fetch_file(plan.files[0], hosts))
    print(time.perf_counter() - started)
"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--nginx", default=shutil.which("nginx") or "/usr/sbin/nginx")
    arguments = parser.parse_args()
    if shutil.which(arguments.nginx) is None:
        sys.exit(f"{arguments.nginx} is not here: install nginx, or say where it is with --nginx")
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = _write_model(folder, arguments.gigabytes)
        _write_hole(folder / "files" / "large.gguf")
        with _serving(folder, arguments.nginx) as address:
            _compare(f"{address}/model.gguf", folder / "home", size, arguments.runs)
            _preflight(f"{address}/large.gguf", folder / "home", arguments.runs)


def _compare(url: str, home: Path, size: int, runs: int) -> None:
    target = home.parent / "curl.out"
    environment = {"LOCALAI_HOME": str(home), "PATH": "/usr/bin:/bin"}
    names = ("curl", "curl, on the disk", "localai, download", "localai pull")
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peak = 0
    for round_number in range(runs + 1):
        target.unlink(missing_ok=True)
        curl = _timed(["curl", "--silent", "--output", str(target), url], environment)[0]
        settled = curl + _timed(["sync", "--data", str(target)], environment)[0]
        shutil.rmtree(home, ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-c", _DOWNLOAD, url],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        shutil.rmtree(home)
        whole, memory = _timed(localai("pull", "--json", url), environment)
        shutil.rmtree(home)
        if round_number > 0:
            taken = (curl, settled, float(done.stdout), whole)
            for name, value in zip(names, taken, strict=True):
                seconds[name].append(value)
            peak = max(peak, memory)
    print(f"{size / 1e9:.2f} GB, medians of {runs}")
    for name, values in seconds.items():
        ratios = [ours / theirs for ours, theirs in zip(seconds["curl"], values, strict=True)]
        rate = size / statistics.median(values) / 1e6
        print(f"{name:<20} {rate:6.0f} MB/s   {statistics.median(ratios):.2f} of curl's rate")
    print(f"localai pull at its peak: {peak / 1e6:.0f} MB resident")


def _preflight(url: str, home: Path, runs: int) -> None:
    environment = {"LOCALAI_HOME": str(home), "PATH": "/usr/bin:/bin"}
    seconds = []
    for _ in range(runs):
        seconds.append(_timed(localai("pull", "--dry-run", "--json", url), environment)[0])
        shutil.rmtree(home)
    print(f"localai pull --dry-run of 5 GB: {statistics.median(seconds):.2f} s")


def _write_model(folder: Path, gigabytes: float) -> int:
    """A valid model of about that size in the folder that is served; its size in bytes."""
    (folder / "files").mkdir()
    [path] = write(folder / "files" / "model.gguf", _spec(gigabytes))
    return path.stat().st_size


def _write_hole(path: Path) -> None:
    size = write_header(path, _spec(5.0))
    os.truncate(path, size)


def _spec(gigabytes: float) -> Spec:
    layers = max(1, round(gigabytes * 1e9 / 100e6))
    return Spec("llama", width=2048, heads=16, head_length=128, feed_forward=6656, layers=layers)


@contextmanager
def _serving(folder: Path, nginx: str) -> Iterator[str]:
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port))
    # nginx's workers run as nobody.
    folder.chmod(0o755)
    server = subprocess.Popen([nginx, "-p", str(folder), "-c", str(configuration)])
    try:
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _timed(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Seconds from start to end, and the largest resident memory that was seen, in bytes."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident_peak(process.pid))
        time.sleep(0.02)
    taken = time.perf_counter() - started
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return taken, peak


def _resident_peak(pid: int) -> int:
    """The high-water mark of a process's memory (Linux); 0 where it cannot be read."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    rows = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(rows[0].split()[1]) << 10 if rows else 0


if __name__ == "__main__":
    with needing("curl"):
        main()
