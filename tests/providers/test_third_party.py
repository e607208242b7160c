"""The guide's provider, installed as a third party's and found by its entry point."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.command import REPOSITORY, RunLocalai

GUIDE = REPOSITORY / "docs" / "guides" / "write-a-provider.md"


def block(language: str) -> str:
    """The guide's first block of code in `language`."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which the guide's package is installed, as pip would leave it."""
    project = tomllib.loads(block("toml"))["project"]
    points = project["entry-points"]["localai.providers"]
    module = next(iter(points.values())).split(":")[0]
    folder = tmp_path / "site"
    metadata = folder / f"{module}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (folder / f"{module}.py").write_text(block("python"))
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [f"{name} = {target}" for name, target in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[localai.providers]", *lines, ""]))
    return folder


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{site}:{REPOSITORY}"}


def test_it_answers(run_localai: RunLocalai, environment: dict[str, str]) -> None:
    command, shown = re.findall(r"\$ localai (chat .*)\n(.*)\n", block("console"))[0]
    asked = re.fullmatch(r'chat -m (\S+) "(.*)"', command)
    assert asked is not None
    ran = run_localai("chat", "-m", asked[1], asked[2], env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.decode().strip() == shown


def test_its_document_keeps_the_promise(
    run_localai: RunLocalai, environment: dict[str, str]
) -> None:
    ran = run_localai("chat", "-m", "parrot/grey", "--json", "one two", env=environment)
    document = json.loads(ran.stdout)
    assert (document["provider"], document["model"], document["zone"]) == (
        "parrot",
        "parrot/grey",
        "device",
    )
    assert document["usage"]["input_tokens"] == 2


def test_its_own_errors_reach_the_user(
    run_localai: RunLocalai, environment: dict[str, str]
) -> None:
    ran = run_localai("chat", "-m", "parrot/ara", "hello", env=environment)
    assert ran.returncode == 3
    assert b"there is no parrot 'ara'" in ran.stderr


def test_an_option_that_it_does_not_take_is_refused(
    environment: dict[str, str], run_localai: RunLocalai
) -> None:
    ran = run_localai("chat", "-m", "parrot/grey", "--temperature", "0", "hi", env=environment)
    assert ran.returncode == 6
    assert b"the parrot does not take the option temperature" in ran.stderr
    assert b"hint: leave out: -o temperature" in ran.stderr
    short = run_localai(
        "chat", "-m", "parrot/grey", "--max-tokens", "1", "one two", env=environment
    )
    assert short.stdout == b"two \n"


@pytest.mark.parametrize("arguments", [("list",), ("list", "--provider", "parrot")])
def test_its_models_are_listed(
    run_localai: RunLocalai, environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    document = json.loads(run_localai(*arguments, "--json", env=environment).stdout)
    (grey,) = [model for model in document["models"] if model["model"] == "parrot/grey"]
    assert (grey["providers"], grey["zone"]) == (["parrot"], "device")


def test_what_it_computes_here_costs_nothing(
    run_localai: RunLocalai, environment: dict[str, str]
) -> None:
    answered = json.loads(
        run_localai("chat", "-m", "parrot/grey", "--json", "one two", env=environment).stdout
    )
    assert (answered["cost"]["amount"], answered["cost"]["currency"]) == (0, "USD")
    (total,) = json.loads(run_localai("cost", "--json", env=environment).stdout)["totals"]
    assert (total["group"], total["cost"]["amount"]) == ("parrot/grey", 0)


def test_it_answers_a_batch(run_localai: RunLocalai, environment: dict[str, str]) -> None:
    lines = b'{"id": 1, "prompt": "one two"}\n{"id": 2, "prompt": "three four"}\n'
    ran = run_localai("batch", "-m", "parrot/grey", "-", input=lines, env=environment)
    assert ran.returncode == 0, ran.stderr
    texts = {(line := json.loads(each))["id"]: line["text"] for each in ran.stdout.splitlines()}
    assert {key: text.strip() for key, text in texts.items()} == {1: "two one", 2: "four three"}


def test_it_may_be_the_provider_of_bare_names(
    run_localai: RunLocalai, environment: dict[str, str]
) -> None:
    run_localai("config", "set", "provider", "parrot", env=environment)
    ran = run_localai("chat", "-m", "grey", "one two", env=environment)
    assert ran.stdout.decode().strip() == "two one"


def test_its_name_may_stand_in_the_clouds_that_are_allowed(
    run_localai: RunLocalai, environment: dict[str, str], site: Path
) -> None:
    module = next(site.glob("*.py"))
    module.write_text(module.read_text().replace('computes="here"', 'computes="elsewhere"'))
    listed = run_localai("list", "--provider", "parrot", "--json", env=environment)
    assert json.loads(listed.stdout)["models"] == [], "a cloud is not even asked for its models"
    allowed = run_localai("config", "set", "cloud.allow", "parrot", env=environment)
    assert allowed.returncode == 0, allowed.stderr
    listed = run_localai("list", "--provider", "parrot", "--json", env=environment)
    assert len(json.loads(listed.stdout)["models"]) == 1


def test_a_module_that_cannot_be_imported_is_named_and_the_rest_goes_on(
    run_localai: RunLocalai, environment: dict[str, str], site: Path
) -> None:
    next(site.glob("*.py")).write_text("import a_package_that_nobody_has\n")
    listed = run_localai("list", "--json", env=environment)
    assert listed.returncode == 0, listed.stderr
    problems = {each["provider"]: each["problem"] for each in json.loads(listed.stdout)["silent"]}
    assert "a_package_that_nobody_has" in problems["parrot"]
    asked = run_localai("chat", "-m", "parrot/grey", "hello", env=environment)
    assert asked.returncode == 5
    assert b"a_package_that_nobody_has" in asked.stderr


def test_without_the_package_the_name_is_no_provider(run_localai: RunLocalai) -> None:
    ran = run_localai("chat", "-m", "parrot/grey", "hello")
    assert ran.returncode == 3
