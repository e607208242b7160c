"""Commands about who answers: model, system prompt, thinking; and what is in force."""

from __future__ import annotations

from typing import cast, get_args

from localai.chat.off_device import prompt_destination
from localai.chat.select import select_model
from localai.errors import InvalidInput
from localai.library.available import models_by_provider
from localai.output.cells import one_line
from localai.output.output import Output
from localai.output.streams import note, print_table
from localai.output.untrusted import sanitize
from localai.session.branch_commands import show_messages
from localai.session.settings import settings_in_force
from localai.session.state import Session
from localai.types import ResolvedModel, Think
from localai.units import bytes_text

KINDS_OF_SHOW = ("messages", "thinking")


def model(session: Session, argument: str) -> None:
    """Switch to another model, of any provider; without a name list what there is."""
    asker = session.asker
    if not argument:
        _list_models(session)
        return
    chosen = select_model(argument, asker.config, asker.paths)
    asker.chosen.provider.close()
    session.conversation.switch(chosen)
    session.decode_tokens_per_s = None
    found = chosen.model
    note(f"now {found.provider}/{found.id} · {zone_label(found)} · {found.evidence}")
    destination = prompt_destination(chosen, asker.config)
    said = len(session.conversation.turns)
    if destination is not None and said:
        note(f"with the next question all {said} messages so far go, too: {destination}")


def system(session: Session, argument: str) -> None:
    """Show the system prompt, or use another one from here on; `none` is none."""
    if not argument:
        print(sanitize(session.conversation.system or "") or "(there is no system prompt)")
        return
    text = None if argument == "none" else argument
    session.asker.change(system=text)
    session.conversation.set_system(text)
    note("from the next question on")


def think(session: Session, argument: str) -> None:
    """How much the model reasons: off, on, low, medium, high, or default.
    `hide` and `show` fold what it thinks away and back; /show thinking shows the last."""
    asker, display = session.asker, session.display
    if argument in ("hide", "show"):
        display.hide_thinking = argument == "hide"
    elif argument == "default":
        asker.change(think=None)
    elif argument in get_args(Think):
        asker.change(think=cast("Think", argument))
    elif argument:
        takes = ", ".join((*get_args(Think), "default", "hide", "show"))
        raise InvalidInput(f"/think takes {takes}, not {argument!r}")
    shown = "hidden" if display.hide_thinking else "shown"
    note(f"thinking: {asker.settings.think or 'as the model does by itself'}, {shown}")
    capabilities = asker.chosen.model.capabilities
    if (
        asker.settings.think not in (None, "off")
        and capabilities
        and "thinking" not in capabilities
    ):
        note(f"{asker.chosen.model.id} is not known to think")


def show(session: Session, argument: str) -> None:
    """What is in force: model, options, conversation. `messages`: what was said, numbered.
    `thinking`: what went before the last answer."""
    if argument == "messages":
        show_messages(session)
    elif argument == "thinking":
        last = session.conversation.last_answer
        thinking = last.message.reasoning if last else None
        print(sanitize(thinking) if thinking else "(the last answer came without any)")
    elif argument:
        raise InvalidInput(
            f"/show takes {' or '.join(KINDS_OF_SHOW)}, not {argument!r}",
            hint="see what is in force",
            command="/show",
        )
    else:
        Output("chat").facts([(name, one_line(value, 240)) for name, value in _facts(session)])


def _facts(session: Session) -> list[tuple[str, str]]:
    found, conversation = session.asker.chosen.model, session.conversation
    facts = [
        ("model", f"{found.provider}/{found.id}"),
        ("zone", f"{zone_label(found)}: {found.evidence}"),
        ("file", "" if found.path is None else str(found.path)),
        ("size", "" if found.size_bytes is None else bytes_text(found.size_bytes)),
        ("quantization", found.quantization or ""),
        ("context", "" if found.context_limit is None else f"up to {found.context_limit:,} tokens"),
        ("abilities", ", ".join(sorted(found.capabilities or ()))),
        ("system prompt", conversation.system or ""),
        ("conversation", _conversation(session)),
    ]
    known = [(name, value) for name, value in facts if value]
    return known + [(setting.name, setting.text) for setting in settings_in_force(session)]


def _conversation(session: Session) -> str:
    said = len(session.conversation.turns)
    identifier = session.conversation.recorder.conversation_id
    if not said:
        return "nothing was said yet"
    return f"{said} messages, " + ("not kept" if identifier is None else f"kept as {identifier}")


def _list_models(session: Session) -> None:
    asker = session.asker
    current = asker.chosen.model
    note("asking every provider …")
    rows = []
    silent = []
    for each in models_by_provider(asker.config, asker.paths):
        if each.problem:
            silent.append(f"{each.provider}: {each.problem}")
        for found in each.models:
            here = "*" if (found.provider, found.id) == (current.provider, current.id) else ""
            rows.append([here, f"{found.provider}/{found.id}", zone_label(found)])
    print_table(["", "model", "zone"], rows)
    for problem in silent:
        note(problem)


def zone_label(model: ResolvedModel) -> str:
    """Where a model is computed, in a word."""
    return "unproven" if model.zone is None else model.zone.label
