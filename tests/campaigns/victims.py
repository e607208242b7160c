"""The commands that are killed: how each is made ready, and what must hold once it was run to its
end after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.campaigns.around_a_kill import (
    COMPARE,
    a_file,
    a_model,
    a_run,
    an_editor,
    batch_input,
    batch_whole,
    benchmarks,
    conversations,
    export_whole,
    f16,
    fetched,
    fresh_suite,
    holds,
    llama_bench,
    mended,
    no_page,
    not_exported,
    not_set_up,
    nothing,
    page_whole,
    quantized,
    report_whole,
    reports_whole,
    set_up,
    stopped,
    suite_whole,
    to_mend,
    uninstalled,
    voted,
    votes,
    wheels,
    with_a_model,
    with_the_same_twice,
)
from tests.campaigns.around_servers import (
    FARM,
    a_benchmark,
    address,
    arrived,
    code_has_run,
    code_suite,
    farmed,
    judged,
    on_a_server,
    paged,
    registered,
    shared,
    typed,
)
from tests.campaigns.place import Place, Tally
from tests.campaigns.presets_and_bundles import (
    a_modelfile,
    a_picture,
    a_preset,
    broken_off,
    bundle_whole,
    no_bundle,
    no_preset,
    preset_whole,
)


@dataclass(frozen=True)
class Victim:
    """A command that writes. `again` are the exit codes that it may have when it is run again,
    `keys` what somebody at its terminal presses."""

    name: str
    words: tuple[str, ...]
    prepare: Callable[[Place], None] = nothing
    check: Callable[[Tally, Place], None] = holds
    again: tuple[int, ...] = (0,)
    keys: bytes = b""


CHAT = ("chat", "-m", "starter", "--max-tokens", "12")
MODELFILE = ("preset", "new", "ours", "--modelfile")
BENCH = ("bench", "starter", "-p", "64", "-n", "8", "--html", "bench.html")
CODE = ("compare", "--suite", "code.jsonl", *FARM, "-o", "code-run.jsonl", "--run-code")
VICTIMS = (
    Victim("chat", (*CHAT, "Name three rivers.")),
    Victim("chat -c", (*CHAT, "-c", "And a town?"), conversations),
    Victim("chat after stop", (*CHAT, "Hello."), stopped),
    Victim(
        "batch",
        ("batch", "in.jsonl", "-O", "out.jsonl", "-m", "starter"),
        batch_input,
        batch_whole,
    ),
    Victim("compare", COMPARE, fresh_suite, suite_whole, again=(0, 8)),
    Victim(
        "compare report",
        ("compare", "report", "run.jsonl", "--html", "run.html", "--junit", "run.xml"),
        a_run,
        reports_whole,
        again=(0, 8),
    ),
    Victim("compare new", ("compare", "new", "new.toml"), again=(0, 2)),
    Victim("compare vote", ("compare", "vote", "voted.jsonl"), votes, voted, keys=b"12="),
    Victim("compare fetch", ("compare", "fetch", "gsm8k"), wheels, fetched),
    Victim(
        "compare side by side",
        ("compare", "-m", "starter", "-m", "./mine.gguf", "--max-tokens", "3", "Hi."),
        a_file,
    ),
    Victim("bench", BENCH, no_page, page_whole, again=(0, 8)),
    Victim("bench --save", (*BENCH, "--save", "base"), again=(0, 8)),
    Victim("bench import", ("bench", "import", "bench.json"), llama_bench),
    Victim("bench rm", ("bench", "rm", "--all", "--yes"), benchmarks, again=(0, 3)),
    Victim("config set", ("config", "set", "chat.max_tokens", "99")),
    Victim("config unset", ("config", "unset", "chat.max_tokens")),
    Victim("config edit", ("config", "edit"), an_editor),
    Victim("template edit", ("template", "edit", "review"), an_editor),
    Victim("template new", ("template", "new", "mine"), again=(0, 2)),
    Victim("template rm", ("template", "rm", "--yes", "mine"), again=(0, 3)),
    Victim("quantize", ("quantize", "./smol.F16.gguf", "--to", "q4_0"), f16, quantized, (0, 2)),
    Victim(
        "setup --bundle", ("setup", "--bundle", "bundle"), no_bundle, bundle_whole, again=(0, 2)
    ),
    Victim("setup", ("setup", "--yes", "-m", "starter"), not_set_up, set_up),
    Victim("uninstall", ("setup", "--uninstall", "--yes"), nothing, uninstalled),
    Victim("pull", ("pull", "./mine.gguf"), a_model),
    Victim("cp", ("cp", "mine", "twin"), with_a_model, again=(0, 2)),
    Victim("rm", ("rm", "--yes", "mine"), with_a_model, again=(0, 3)),
    Victim("dedupe", ("dedupe", "--yes"), with_the_same_twice),
    Victim("history prune", ("history", "prune", "--keep", "5", "--yes"), conversations),
    Victim("history rename", ("history", "rename", "mine", "mine"), conversations),
    Victim(
        "history export",
        ("history", "export", "--all", "-O", "all.jsonl"),
        not_exported,
        export_whole,
        again=(0, 2),
    ),
    Victim("history rm", ("history", "rm", "--yes", "mine"), conversations, again=(0, 3)),
    Victim("cost", ("cost", "--watts", "50", "--kwh", "0.3")),
    Victim("list", ("list",)),
    Victim("show", ("show", "starter")),
    Victim("hardware", ("hardware",)),
    Victim("privacy", ("privacy",)),
    Victim("doctor", ("doctor",), again=(0, 8)),
    Victim(
        "doctor --report", ("doctor", "--report", "report"), nothing, report_whole, again=(0, 8)
    ),
    Victim(
        "doctor --fix",
        ("doctor", "--fix", "--yes", "memory", "privacy"),
        to_mend,
        mended,
        again=(0, 8),
    ),
    Victim(
        "preset new",
        ("preset", "new", "ours", "--from", "starter", "-s", "Be brief."),
        no_preset,
        preset_whole,
        again=(0, 2),
    ),
    Victim("preset new --modelfile", (*MODELFILE, "Modelfile"), a_modelfile, again=(0, 2)),
    Victim("preset edit", ("preset", "edit", "ours"), a_preset, preset_whole),
    Victim("preset modelfile", ("preset", "modelfile", "ours"), a_preset),
    Victim("rm of a preset", ("rm", "--yes", "ours"), a_preset, again=(0, 3)),
    Victim(
        "bench tune",
        ("bench", "tune", "starter", "--only", "engine.threads", "-p", "64", "-n", "4"),
        again=(0, 8),
    ),
    Victim("bench --resume", ("bench", "--resume"), broken_off, again=(0, 3, 8)),
    Victim("recommend", ("recommend",)),
    Victim("history show", ("history", "show"), a_picture),
    Victim("stop", ("stop", "--all")),
    Victim("session", (*CHAT[:3], "--max-tokens", "4"), typed, keys=b"Hi.\r\x04"),
    Victim("history show, in a pager", ("history", "show", "mine"), paged, keys=b" q"),
    Victim("config list, in a pager", ("config", "list"), paged, keys=b" q"),
    Victim("doctor --report, in a pager", ("doctor", "--report", "paged"), paged, keys=b" q"),
    Victim("history pick", ("history", "pick"), paged, keys=b"mine\x1b", again=(0, 130)),
    Victim("history search", ("history", "search", "word"), conversations),
    Victim(
        "compare --blind",
        ("compare", "--blind", *FARM, "--max-tokens", "3", "Hi."),
        farmed,
        keys=b"1\r",
    ),
    Victim("compare --run-code", CODE, code_suite, code_has_run, again=(0, 8)),
    Victim(
        "compare --judge",
        (*COMPARE[:7], "-o", "judged.jsonl", "--judge", "farm/a"),
        judged,
        again=(0, 8),
    ),
    Victim("pull of an address", ("pull", address()), on_a_server, arrived),
    Victim("pull of a registry", ("pull", "tiny"), on_a_server, registered),
    Victim("config set models", ("config", "set", "models.starter.temperature", "0.5")),
    Victim("config set endpoint", ("config", "set", "endpoint.far.url", "http://127.0.0.1:9/v1")),
    Victim("config set its key", ("config", "set", "endpoint.farm.key_env", "FAR_KEY"), farmed),
    Victim(
        "bench --rate",
        ("bench", "starter", "-p", "32", "-n", "4", "--rate", "2", "--quick"),
        again=(0, 8),
    ),
    Victim(
        "bench --quality",
        ("bench", "starter", "-p", "32", "-n", "4", "--quality", "--quick"),
        again=(0, 8),
    ),
    Victim("bench machine", ("bench", "machine", "starter"), again=(0, 8)),
    Victim(
        "bench show --share",
        ("bench", "show", "last", "--share", "shared.json"),
        a_benchmark,
        shared,
    ),
    Victim("bench export", ("bench", "export", "--format", "csv", "-o", "bench.csv"), a_benchmark),
    Victim("doctor --deep", ("doctor", "--deep", "server", "models"), again=(0, 8)),
    Victim("chat --save", ("chat", "-t", "review", "--save", "mine"), again=(0, 2)),
    Victim("ps", ("ps",)),
)
