"""Slash commands that move in the conversation's tree: undo, more, retry, edit, fork, branches."""

from __future__ import annotations

from localai.chat.inputs import without_files
from localai.errors import InvalidInput
from localai.output.cells import one_line
from localai.session.state import Edit, Session
from localai.units import counted, whole_number


def undo(session: Session, _argument: str) -> None:
    """Take the last question and its answer back. They stay in a branch of their own."""
    question = session.conversation.undo()
    session.output.note(
        f"took back: {one_line(without_files(question), session.output.columns - 12)}"
    )
    _say_where(session)


def more(session: Session, _argument: str) -> None:
    """Go on with the last answer, which was cut or stopped: the same message, and nothing of it is
    computed again."""
    session.answer(session.conversation.more())


def retry(session: Session, _argument: str) -> None:
    """Ask the last question again; the answer that was there stays in a branch."""
    conversation = session.conversation
    before = conversation.last_answer
    ended = session.answer(conversation.retry())
    after = conversation.last_answer
    if ended and before and after and before.message.text == after.message.text:
        session.output.note("the same answer again; /set temperature 0.8 lets it vary")


def edit(session: Session, argument: str) -> None:
    """Change a question, the last one or that of number N, and ask it instead.

    With TEXT that is asked at once; without, the question stands at the prompt to be changed.
    What was said before stays in a branch of its own.
    """
    conversation = session.conversation
    first, _, text = argument.partition(" ")
    number = whole_number(first)
    text = (text if number is not None else argument).strip()
    back, question = conversation.last_answer, conversation.question(number)
    conversation.go_to_parent(question)
    if text:
        session.ask(text, question.message.pictures)
        return
    session.edit = Edit(question.message.text, back, question.message.pictures)
    session.output.note("change the question; Enter asks it, Ctrl-C leaves all as it was")
    if pictures := question.message.pictures:
        session.output.note(f"{counted(len(pictures), 'picture')} of it will go along")


def fork(session: Session, argument: str) -> None:
    """Go on after message N; what followed it stays in a branch of its own.
    Without N the messages are listed."""
    if not argument:
        show_messages(session)
        session.output.note("/fork NUMBER goes on after that message")
        return
    session.conversation.fork(_number(argument))
    _say_where(session)


def branches(session: Session, argument: str) -> None:
    """List the branches of this conversation, or go to number N."""
    tree = session.conversation.tree
    ends = tree.ends()
    if argument:
        number = _number(argument)
        if not 1 <= number <= len(ends):
            raise InvalidInput(f"there is no branch {number}", command="/branches")
        session.conversation.go_to(ends[number - 1])
        _say_where(session)
        return
    if not ends:
        session.output.note("there is one branch, and it is empty")
    for number, end in enumerate(ends, start=1):
        turns = [turn for turn in tree.branch(end.id) if turn.message.role != "system"]
        here = "*" if end.id == tree.leaf else " "
        asked = turns[-2].message.text if len(turns) > 1 else ""
        start = f"{here} {number:>2}  {counted(len(turns), 'message'):>12}  "
        half = max(4, (session.output.columns - len(start) - 4) // 2)
        print(f"{start}{one_line(without_files(asked), half)} → {one_line(end.message.text, half)}")


def show_messages(session: Session) -> None:
    """The messages of this branch with the numbers by which /fork and /edit know them."""
    turns = session.conversation.turns
    if not turns:
        session.output.note("nothing was said yet")
    for number, turn in enumerate(turns, start=1):
        speaker = ">>>" if turn.message.role == "user" else "   "
        cut = " (cut)" if turn.is_cut else ""
        line = one_line(without_files(turn.message.text), session.output.columns - 10 - len(cut))
        print(f"{number:>3} {speaker} {line}{cut}")


def _say_where(session: Session) -> None:
    turns = session.conversation.turns
    if not turns:
        session.output.note("the conversation stands before its first question")
        return
    last = one_line(turns[-1].message.text, session.output.columns - 28)
    session.output.note(f"going on after message {len(turns)}: {last}")
    session.output.note("what was left stays: /branches")


def _number(argument: str) -> int:
    number = whole_number(argument)
    if number is None:
        raise InvalidInput(f"{argument!r} is no number")
    return number
