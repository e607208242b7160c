"""A running conversation: what is asked, where it stands in its tree, and what of it is kept."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.answers import gather
from localai.chat.ask import Asker
from localai.chat.compaction import parted, require_on_device, summarise
from localai.chat.conversation import Conversation
from localai.chat.deletion import delete_conversations
from localai.chat.recorder import DatabaseRecorder, Recorder
from localai.chat.request import AskSettings
from localai.chat.resume import resume
from localai.chat.select import SelectedModel
from localai.chat.turn_tree import Turn
from localai.config import load
from localai.database import Criteria, Database
from localai.errors import ContextOverflow, InvalidInput, NotFound, Unreachable
from localai.events import Done, Events, Locality, ReasoningDelta, TextDelta, Timings, Usage
from localai.paths import Paths, locate
from localai.providers.pool import ProviderPool
from localai.providers.provider import Provider
from localai.types import ChatRequest, Message, Picture, ResolvedModel, ToolCall, Zone
from localai.wires.anthropic import client as anthropic
from localai.wires.chat_completions import client as chat_completions
from localai.wires.ollama import request as ollama_request
from localai.wires.responses import client as responses

RED, BLUE = Picture(b"\x89PNG\r\n\x1a\nred", "image/png"), Picture(b"GIF8blue", "image/gif")
MODEL = ResolvedModel("scripted", "one", Zone.DEVICE, "a script")


class Scripted(Provider):
    """A provider that answers each question with the next of its texts; an error is raised after
    the text before it."""

    name = "scripted"

    def __init__(self, *answers: str | ToolCall | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[ChatRequest] = []
        self.closed_early = 0

    def models(self) -> list[ResolvedModel]:
        return [MODEL]

    def resolve(self, name: str) -> ResolvedModel:
        return MODEL

    def stream(self, request: ChatRequest) -> Events:
        self.asked.append(request)
        answer = self.answers.pop(0) if self.answers else "an answer"
        try:
            if isinstance(answer, Exception):
                raise answer
            yield ReasoningDelta("hm")
            if isinstance(answer, ToolCall):
                yield answer
                answer = ""
            for word in answer.split(" "):
                yield TextDelta(word + " ")
            if self.answers and isinstance(error := self.answers[0], Exception):
                self.answers.pop(0)
                raise error
            usage = Usage(input_tokens=10, output_tokens=5, reasoning_tokens=1)
            yield Done("stop", usage, Timings(), Locality(Zone.DEVICE, "a script"), 100)
        except GeneratorExit:
            self.closed_early += 1
            raise


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


def _asker(
    provider: Scripted, paths: Paths, model: ResolvedModel = MODEL, system: str | None = None
) -> Asker:
    chosen = SelectedModel(provider, model)
    settings = AskSettings(system=system)
    return Asker(chosen, load(paths), paths, ProviderPool(paths), lambda _: None, settings)


def _kept(
    provider: Scripted, paths: Paths, model: ResolvedModel = MODEL, system: str | None = None
) -> Conversation:
    recorder = DatabaseRecorder(paths.database, command="chat", problem=pytest.fail)
    return Conversation(_asker(provider, paths, model, system), recorder)


def _resumed(provider: Scripted, paths: Paths) -> Conversation:
    kept = resume(paths.database, None)
    recorder = DatabaseRecorder(
        paths.database,
        command="chat",
        problem=pytest.fail,
        conversation_id=kept.id,
        parent_id=kept.leaf_id,
    )
    return Conversation(_asker(provider, paths), recorder, kept.tree)


def _ask(conversation: Conversation, *questions: str) -> None:
    for question in questions:
        for _ in conversation.ask(question):
            pass


def _said(conversation: Conversation) -> list[str]:
    return [turn.message.text.strip() for turn in conversation.turns]


def _sent(request: ChatRequest) -> list[tuple[str, str]]:
    return [(message.role, message.text.strip()) for message in request.messages]


CALL = ToolCall("c1", "weather", '{"city": "Rome"}')


def test_a_conversation_goes_on_with_its_calls_and_their_results(paths: Paths) -> None:
    _ask(_kept(Scripted(CALL), paths), "q1")
    resumed = _resumed(Scripted(), paths)
    [_, called] = resumed.turns
    assert called.message.tool_calls == (CALL,), "the branch stands at the call"
    database = Database(paths.database)
    conversation, parent = database.last_conversation(), called.stored_id
    result = Message("tool", "18 °C", tool_call_id="c1")
    for message in (result, Message("assistant", "It is 18 °C.")):
        parent = database.add_message(conversation, parent, message, finish_reason="stop")
    provider = Scripted()
    _ask(_resumed(provider, paths), "q2")
    sent = provider.asked[0].messages
    assert [each.role for each in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert sent[1].tool_calls == (CALL,)
    assert sent[2] == result


def test_a_call_whose_result_never_came_is_no_answer_to_the_next_question(paths: Paths) -> None:
    provider = Scripted(CALL, "a2")
    conversation = _kept(provider, paths)
    _ask(conversation, "q1", "q2")
    assert _sent(provider.asked[1]) == [("user", "q2")], "a server refuses a call without a result"
    assert _said(conversation) == ["q2", "a2"]


def test_a_question_that_took_a_tool_is_folded_as_a_whole(paths: Paths) -> None:
    conversation = _kept(Scripted("a1", CALL), paths)
    _ask(conversation, "q1", "q2")
    tree = conversation.tree
    tree.add(Turn(0, None, Message("tool", "18 °C", tool_call_id="c1")))
    tree.add(Turn(0, None, Message("assistant", "It is 18 °C."), finish_reason="stop"))
    folded, kept = parted(conversation.turns)
    assert [turn.message.text.strip() for turn in folded] == ["q1", "a1"]
    assert [turn.message.role for turn in kept] == ["user", "assistant", "tool", "assistant"]


def test_each_question_goes_out_with_what_was_said_before(paths: Paths) -> None:
    provider = Scripted("a1", "a2")
    _ask(_kept(provider, paths, system="Be brief."), "q1", "q2")
    assert _sent(provider.asked[1]) == [
        ("system", "Be brief."),
        ("user", "q1"),
        ("assistant", "a1"),
        ("user", "q2"),
    ]


def test_the_answer_carries_who_gave_it_and_what_it_takes_of_the_context(paths: Paths) -> None:
    conversation = _kept(Scripted("a1"), paths)
    _ask(conversation, "q1")
    answer = conversation.last_answer
    assert answer is not None
    assert (answer.model, answer.zone, answer.finish_reason) == ("scripted/one", "device", "stop")
    assert (answer.context_tokens, answer.allocated_tokens) == (14, 100)
    assert answer.message.reasoning == "hm"


def test_undo_takes_an_exchange_back_and_the_next_question_does_not_know_it(paths: Paths) -> None:
    provider = Scripted("a1", "a2", "a3")
    conversation = _kept(provider, paths)
    _ask(conversation, "q1", "q2")
    assert conversation.undo() == "q2"
    _ask(conversation, "q3")
    assert _said(conversation) == ["q1", "a1", "q3", "a3"]
    conversation.undo()
    conversation.undo()
    with pytest.raises(InvalidInput, match="nothing to undo"):
        conversation.undo()


def test_retry_keeps_both_answers(paths: Paths) -> None:
    provider = Scripted("a1", "other")
    conversation = _kept(provider, paths)
    _ask(conversation, "q1")
    for _ in conversation.retry():
        pass
    assert _said(conversation) == ["q1", "other"]
    assert _sent(provider.asked[1]) == [("user", "q1")]
    ends = conversation.tree.ends()
    assert [end.message.text.strip() for end in ends] == ["a1", "other"]
    conversation.go_to(ends[0])
    assert _said(conversation) == ["q1", "a1"]


def test_fork_goes_on_after_any_message(paths: Paths) -> None:
    conversation = _kept(Scripted("a1", "a2", "a3", "a4"), paths)
    _ask(conversation, "q1", "q2", "q3")
    conversation.fork(3)
    assert _said(conversation) == ["q1", "a1"]
    _ask(conversation, "q4")
    assert _said(conversation) == ["q1", "a1", "q4", "a4"]
    for number in (0, 5):
        with pytest.raises(InvalidInput, match="there are 1 to 4"):
            conversation.fork(number)


def test_only_questions_are_edited(paths: Paths) -> None:
    conversation = _kept(Scripted("a1", "a2"), paths)
    _ask(conversation, "q1", "q2")
    assert conversation.question(1).message.text == "q1"
    assert conversation.question().message.text == "q2"
    with pytest.raises(InvalidInput, match="message 2 is an answer"):
        conversation.question(2)


def test_a_stopped_answer_is_kept_as_far_as_it_came_and_the_stream_is_closed(
    paths: Paths,
) -> None:
    provider = Scripted("one two three", "a2")
    conversation = _kept(provider, paths)
    events = conversation.ask("q1")
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()
    answer = conversation.last_answer
    assert answer is not None
    assert (answer.message.text, answer.finish_reason, answer.is_cut) == ("one ", "cancelled", True)
    assert provider.closed_early == 1
    _ask(conversation, "q2")
    assert _sent(provider.asked[1])[1] == ("assistant", "one")


def test_a_question_to_which_nothing_came_is_not_part_of_the_conversation(paths: Paths) -> None:
    conversation = _kept(Scripted(Unreachable("gone"), "a2"), paths)
    with pytest.raises(Unreachable):
        _ask(conversation, "lost?")
    assert _said(conversation) == []
    assert conversation.unanswered == Message("user", "lost?")
    for _ in conversation.retry():
        pass
    assert _said(conversation) == ["lost?", "a2"]
    assert conversation.unanswered is None


def test_an_answer_that_breaks_off_is_kept_as_far_as_it_came(paths: Paths) -> None:
    conversation = _kept(Scripted("half", Unreachable("gone")), paths)
    with pytest.raises(Unreachable):
        _ask(conversation, "q1")
    answer = conversation.last_answer
    assert answer is not None
    assert (answer.message.text.strip(), answer.finish_reason) == ("half", "failed")


def test_a_question_whose_stream_was_never_begun_is_stepped_over(paths: Paths) -> None:
    provider = Scripted("a2")
    conversation = _kept(provider, paths)
    conversation.ask("q1")
    _ask(conversation, "q2")
    assert _sent(provider.asked[0]) == [("user", "q2")]


def test_another_system_prompt_holds_from_there_on(paths: Paths) -> None:
    provider = Scripted()
    conversation = _kept(provider, paths, system="first")
    _ask(conversation, "q1")
    conversation.set_system("second")
    _ask(conversation, "q2")
    conversation.set_system(None)
    _ask(conversation, "q3")
    prompts = [_sent(request)[0] for request in provider.asked]
    assert prompts == [("system", "first"), ("system", "second"), ("user", "q1")]
    conversation.undo()
    assert _resumed(provider, paths).system is None


def test_a_model_that_comes_in_brings_its_own_prompt_for_the_old_models_own(paths: Paths) -> None:
    provider = Scripted()
    old = dataclasses.replace(MODEL, system_prompt="You are Old.")
    new = dataclasses.replace(MODEL, id="two", system_prompt="You are New.")
    conversation = _kept(provider, paths, old)
    _ask(conversation, "q1")
    conversation.switch(SelectedModel(provider, new))
    _ask(conversation, "q2")
    assert _sent(provider.asked[1])[0] == ("system", "You are New.")
    assert conversation.last_answer is not None
    assert conversation.last_answer.model == "scripted/two"


def test_a_model_that_comes_in_leaves_the_users_prompt(paths: Paths) -> None:
    provider = Scripted()
    conversation = _kept(provider, paths, system="Mine.")
    _ask(conversation, "q1")
    conversation.switch(
        SelectedModel(provider, dataclasses.replace(MODEL, system_prompt="You are New."))
    )
    assert conversation.system == "Mine."


def test_a_conversation_goes_on_where_its_user_stood(paths: Paths) -> None:
    conversation = _kept(Scripted("a1", "a2"), paths, system="Kept.")
    _ask(conversation, "q1", "q2")
    conversation.undo()
    provider = Scripted("a3")
    resumed = _resumed(provider, paths)
    assert _said(resumed) == ["q1", "a1"]
    assert resumed.last_answer is not None
    assert resumed.last_answer.context_tokens == 14
    _ask(resumed, "q3")
    assert _sent(provider.asked[0]) == [
        ("system", "Kept."),
        ("user", "q1"),
        ("assistant", "a1"),
        ("user", "q3"),
    ]
    assert _said(_resumed(provider, paths)) == ["q1", "a1", "q3", "a3"]
    assert len(_resumed(provider, paths).tree.ends()) == 2


def test_a_conversation_taken_back_to_its_beginning_goes_on_from_there(paths: Paths) -> None:
    conversation = _kept(Scripted("a1"), paths)
    _ask(conversation, "q1")
    conversation.undo()
    assert _said(_resumed(Scripted(), paths)) == []


def test_what_a_killed_command_left_unanswered_is_stepped_over(paths: Paths) -> None:
    _ask(_kept(Scripted("a1"), paths), "q1")
    killed = _resumed(Scripted(), paths)
    killed.recorder.question(Message("user", "q2"))
    killed.recorder.answer_begins(MODEL)
    resumed = _resumed(Scripted("a2"), paths)
    assert _said(resumed) == ["q1", "a1"]
    assert resumed.unanswered == Message("user", "q2")


def test_a_conversation_that_went_to_a_cloud_does_not_go_on_there_by_itself(paths: Paths) -> None:
    far = dataclasses.replace(MODEL, zone=Zone.CLOUD)
    recorder = DatabaseRecorder(paths.database, command="chat", problem=pytest.fail)
    recorder.question(Message("user", "q"))
    recorder.answer_begins(far)
    recorder.event(TextDelta("a"))
    recorder.answer_cut("cancelled")
    assert resume(paths.database, None).model is None


def test_there_is_nothing_to_resume_and_no_database_is_made(paths: Paths) -> None:
    with pytest.raises(NotFound, match="no conversation"):
        resume(paths.database, None)
    assert not paths.database.exists()


def test_a_conversation_that_is_deleted_meanwhile_goes_on_and_leaves_nothing(paths: Paths) -> None:
    provider, problems = Scripted("a1", "a2", "a3"), list[str]()
    recorder = DatabaseRecorder(paths.database, command="chat", problem=problems.append)
    conversation = Conversation(_asker(provider, paths), recorder)
    _ask(conversation, "q1")
    database = Database(paths.database)
    assert recorder.conversation_id is not None
    delete_conversations(paths, database, [recorder.conversation_id])
    _ask(conversation, "q2", "q3")
    assert _said(conversation) == ["q1", "a1", "q2", "a2", "q3", "a3"]
    assert len(problems) == 1 and "was deleted meanwhile" in problems[0]
    assert [request.conversation is None for request in provider.asked] == [False, True, True]
    assert database.summaries(Criteria(), None) == []


def test_a_conversation_that_is_deleted_in_mid_answer_goes_on(paths: Paths) -> None:
    provider, problems = Scripted("a1 and more", "a2"), list[str]()
    recorder = DatabaseRecorder(paths.database, command="chat", problem=problems.append)
    conversation = Conversation(_asker(provider, paths), recorder)
    database = Database(paths.database)
    state = paths.kv_dir / "llamacpp" / "any" / "0123456789-00000000.kv"
    state.parent.mkdir(parents=True)
    for number, _ in enumerate(conversation.ask("q1")):
        if number == 1:
            assert recorder.conversation_id is not None
            delete_conversations(paths, database, [recorder.conversation_id])
            state.write_bytes(b"of one that was deleted before its answer ended")
    assert problems == ["this conversation is not kept: the conversation was deleted meanwhile"]
    _ask(conversation, "q2")
    assert _said(conversation) == ["q1", "a1 and more", "q2", "a2"]
    assert database.summaries(Criteria(), None) == []
    assert delete_conversations(paths, database, []).state_bytes > 0
    assert not state.exists()


def test_without_a_recorder_the_tree_is_there_all_the_same(paths: Paths) -> None:
    conversation = Conversation(_asker(Scripted("a1", "a2"), paths), Recorder())
    _ask(conversation, "q1")
    for _ in conversation.retry():
        pass
    assert len(conversation.tree.ends()) == 2
    assert not paths.database.exists()


def test_folding_puts_a_summary_for_all_but_the_last_exchange(paths: Paths) -> None:
    provider = Scripted("a1", "a2", "a3", "in short")
    conversation = _kept(provider, paths, system="Be brief.")
    _ask(conversation, "q1", "q2", "q3")
    folded, kept = parted(conversation.turns)
    summary = summarise(conversation.asker, folded, gather)
    asked = _sent(provider.asked[3])[1][1]
    assert "User: q1" in asked
    assert "Assistant: a2" in asked
    assert "q3" not in asked
    conversation.fold(summary, kept)
    assert _said(conversation) == ["q3", "a3"]
    _ask(conversation, "q4")
    assert _sent(provider.asked[4])[0][1].startswith("Be brief.\n\n")
    assert _sent(provider.asked[4])[0][1].endswith("in short")
    again = _resumed(provider, paths)
    assert _said(again)[:2] == ["q3", "a3"]
    assert len(again.tree.ends()) == 2


def test_a_conversation_too_long_for_one_summary_is_folded_in_halves(paths: Paths) -> None:
    provider = Scripted("a1", "a2")
    conversation = _kept(provider, paths)
    _ask(conversation, "q1", "q2")
    provider.answers = [ContextOverflow("too long"), "first", "second", "both"]
    assert summarise(conversation.asker, conversation.turns, gather).strip() == "both"
    assert "first" in _sent(provider.asked[-1])[1][1]
    provider.answers = [ContextOverflow("too long")] * 3
    with pytest.raises(ContextOverflow):
        summarise(conversation.asker, conversation.turns, gather)


@pytest.mark.parametrize("zone", [Zone.LAN, Zone.CLOUD, None])
def test_a_summary_is_never_asked_of_another_machine(paths: Paths, zone: Zone | None) -> None:
    far = dataclasses.replace(MODEL, zone=zone)
    with pytest.raises(InvalidInput, match="on this machine"):
        require_on_device(_asker(Scripted(), paths, far))


def test_one_exchange_is_too_little_to_fold(paths: Paths) -> None:
    conversation = _kept(Scripted(), paths)
    _ask(conversation, "q1")
    with pytest.raises(InvalidInput, match="nothing to fold"):
        parted(conversation.turns)


# Pictures


def test_a_conversation_that_goes_on_shows_its_pictures_again(paths: Paths) -> None:
    conversation = _kept(Scripted(), paths)
    for _ in conversation.ask("What is it?", (RED, BLUE)):
        pass
    provider = Scripted()
    resumed = _resumed(provider, paths)
    _ask(resumed, "And now?")
    assert [each.pictures for each in provider.asked[0].messages] == [(RED, BLUE), (), ()]
    assert len(Database(paths.database).pictures(resumed.recorder.conversation_id or "")) == 1


@pytest.mark.parametrize(
    "body",
    [
        chat_completions.request_body,
        lambda request: responses.request_body(request, "x"),
        lambda request: anthropic.request_body(request, 4096, None),
        lambda request: ollama_request.chat_body(
            request, context_tokens=4096, may_shift=False, think=None, keep_alive=None
        ),
    ],
    ids=["chat completions", "responses", "anthropic", "ollama"],
)
def test_on_every_wire_a_picture_of_before_is_sent_again(
    paths: Paths, body: Callable[[ChatRequest], object]
) -> None:
    for _ in _kept(Scripted(), paths).ask("What is it?", (RED,)):
        pass
    provider = Scripted()
    _ask(_resumed(provider, paths), "And now?")
    assert base64.b64encode(RED.data).decode() in json.dumps(body(provider.asked[0]))


def test_a_question_that_failed_or_is_asked_again_keeps_its_picture(paths: Paths) -> None:
    provider = Scripted(Unreachable("gone"), "a1", "a2")
    conversation = _kept(provider, paths)
    with pytest.raises(Unreachable):
        for _ in conversation.ask("What is it?", (RED,)):
            pass
    for _ in range(2):
        for _ in conversation.retry():
            pass
    assert [request.messages[-1].pictures for request in provider.asked] == [(RED,)] * 3


def test_a_model_without_vision_goes_on_without_pictures_and_it_is_said(paths: Paths) -> None:
    for _ in _kept(Scripted(), paths).ask("What is it?", (RED,)):
        pass
    provider, told = Scripted(), list[str]()
    resumed = _resumed(provider, paths)
    resumed.asker.announce = told.append
    sightless = dataclasses.replace(MODEL, capabilities=frozenset({"completion"}))
    resumed.switch(SelectedModel(provider, sightless))
    _ask(resumed, "And now?", "And then?")
    assert [each.pictures for request in provider.asked for each in request.messages] == [()] * 8
    assert told == ["scripted/one cannot see the 1 picture of this conversation"]
    resumed.switch(SelectedModel(provider, MODEL))
    _ask(resumed, "Once more?")
    assert provider.asked[-1].messages[0].pictures == (RED,)


def test_a_server_that_refuses_pictures_is_asked_without_those_of_before(paths: Paths) -> None:
    for _ in _kept(Scripted(), paths).ask("What is it?", (RED,)):
        pass
    refusal = Unreachable("the endpoint failed (HTTP 500): image input is not supported")
    provider, told = Scripted(refusal, "a2"), list[str]()
    resumed = _resumed(provider, paths)
    resumed.asker.announce = told.append
    _ask(resumed, "And now?")
    sent = [[len(each.pictures) for each in request.messages] for request in provider.asked]
    assert sent == [[1, 0, 0], [0, 0, 0]]
    assert told == [
        "scripted/one takes no pictures: it is asked without the 1 picture of this conversation"
    ]
    provider.answers = [refusal]
    with pytest.raises(Unreachable):
        for _ in resumed.ask("And this?", (BLUE,)):
            pass
    assert len(provider.asked) == 3, "what is asked about a picture is not asked without it"
    provider.answers = [Unreachable("nobody listens there")]
    with pytest.raises(Unreachable):
        _ask(resumed, "And then?")
    assert len(provider.asked) == 4


def test_of_a_summary_the_last_exchange_keeps_its_pictures(paths: Paths) -> None:
    conversation = _kept(Scripted(), paths)
    for picture in (RED, BLUE):
        for _ in conversation.ask("What is it?", (picture,)):
            pass
    conversation.fold("Two squares.", parted(conversation.turns)[1])
    provider = Scripted()
    _ask(_resumed(provider, paths), "And now?")
    assert [each.pictures for each in provider.asked[0].messages] == [(), (BLUE,), (), ()]
