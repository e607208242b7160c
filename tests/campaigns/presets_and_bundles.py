"""What is made ready before a command about presets, bundles, benchmarks or pictures is killed, and
what must hold once it was run to its end after that."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time

from tests.campaigns.around_a_kill import an_editor
from tests.campaigns.place import Place, Tally
from tests.setup.test_bundle import user_network


def no_bundle(at: Place) -> None:
    at.environment |= user_network()
    shutil.rmtree(at.work / "bundle", ignore_errors=True)


def bundle_whole(tally: Tally, at: Place) -> None:
    tally.check((at.work / "bundle" / "install.sh").exists(), "bundle: it is not there")
    sums = (at.work / "bundle" / "SHA256SUMS").read_text().splitlines()
    tally.check(len(sums) > 20, f"bundle: {len(sums)} sums")


def no_preset(at: Place) -> None:
    (at.home / "presets" / "ours.toml").unlink(missing_ok=True)


def a_preset(at: Place) -> None:
    an_editor(at)
    no_preset(at)
    at.run("preset", "new", "ours", "--from", "starter", "-s", "Be brief.")


def preset_whole(tally: Tally, at: Place) -> None:
    done = at.run("preset", "list", "--json")
    names = [each["name"] for each in json.loads(done.stdout)["presets"]]
    tally.check(names == ["ours"], f"preset: there are {names}")


def a_modelfile(at: Place) -> None:
    no_preset(at)
    (at.work / "Modelfile").write_text("FROM starter\nSYSTEM Be brief.\n")


def broken_off(at: Place) -> None:
    """A benchmark that was killed in the middle."""
    process = at.start("bench", "starter", "-p", "64", "-n", "8")
    time.sleep(6)
    process.kill()
    process.wait()


def a_picture(at: Place) -> None:
    """A conversation with a picture."""
    script = (
        "from localai.database import Database\nfrom localai.paths import locate\n"
        "from localai.types import Picture, Message\n"
        "d = Database(locate().database)\n"
        "c = d.create_conversation()\n"
        "picture = Picture(b'\\x89PNG\\r\\n\\x1a\\n' + b'x' * 200_000, 'image/png')\n"
        "d.add_message(c, None, Message('user', 'What is it?', pictures=(picture,)))\n"
    )
    command = [sys.executable, "-c", script]
    subprocess.run(command, env=at.environment, check=True, timeout=120)
