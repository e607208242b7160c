"""A judge's work on a run: each pair of answers in both orders, controls, single questions.

Questions that the run file has this judge's verdicts on are not asked again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, get_args

from localai.chat.request import AskSettings, build_request
from localai.compare.asking import Reply, ask
from localai.compare.checks.outside import JUDGE
from localai.compare.checks.reading import read_expectations
from localai.compare.contestants import Contestant
from localai.compare.judge_prompts import (
    PAIR_SCHEMA,
    PAIR_SYSTEM,
    SINGLE_SCHEMA,
    SINGLE_SYSTEM,
    family,
    pair_prompt,
    single_prompt,
    verdict_of,
    without_names,
)
from localai.compare.recorded import (
    Preference,
    RecordedAnswer,
    RecordedCase,
    RecordedFinding,
    RecordedVerdict,
)
from localai.compare.results import model_names
from localai.compare.run_file import Run, RunFile, answer_mark, verdict_key
from localai.dataclass import dataclass
from localai.errors import InvalidInput, LocalaiError
from localai.events import Event
from localai.types import ChatRequest, Message, Options

if TYPE_CHECKING:
    from localai.config import Config

_MAX_TOKENS = 400
_CONTROLS = 20
"""One pair in so many is also asked as a control: the same answer twice."""
_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class PairQuestion:
    """The question which of two answers is better, shown in this order."""

    case: RecordedCase
    first: RecordedAnswer
    second: RecordedAnswer
    control: bool = False


@dataclass(frozen=True, slots=True)
class SingleQuestion:
    """The question whether a statement about an answer is true; `key` is that of the check."""

    case: RecordedCase
    answer: RecordedAnswer
    question: str
    key: str


JudgeQuestion = PairQuestion | SingleQuestion


def questions(run: Run, judge: str, *, may_see_local_only: bool) -> list[JudgeQuestion]:
    """The questions that the judge has still to answer, case after case."""
    names = model_names(run)
    found: list[JudgeQuestion] = []
    no_pair_yet = True
    for case in run.cases.values():
        if case.local_only and not may_see_local_only:
            continue
        repeats = sorted({repeat for of, _, repeat in run.answers if of == case.id})
        for repeat in repeats:
            answers = [
                answer
                for name in names
                if (answer := run.answers.get((case.id, name, repeat))) is not None
                and answer.error is None
                and answer.text.strip()
            ]
            found += _singles(case, answers)
            found += _pairs(case, answers, is_first=no_pair_yet)
            no_pair_yet = no_pair_yet and len(answers) < 2
    return [each for each in found if not _is_settled(each, run, judge)]


def _singles(case: RecordedCase, answers: Sequence[RecordedAnswer]) -> Iterator[JudgeQuestion]:
    for check in read_expectations(case.expect):
        if check.kind == JUDGE:
            for answer in answers:
                yield SingleQuestion(case, answer, str(check.raw), check.key)


def _pairs(
    case: RecordedCase, answers: Sequence[RecordedAnswer], *, is_first: bool
) -> Iterator[JudgeQuestion]:
    """Both orders of each two answers. Some pairs, and the very first one, also get a control: the
    same answer twice."""
    for a, b in combinations(answers, 2):
        yield PairQuestion(case, a, b)
        yield PairQuestion(case, b, a)
        digest = hashlib.sha256(
            f"{case.id}\n{a.repeat}\n{a.model}\n{b.model}".encode(errors="surrogatepass")
        ).digest()
        if is_first or digest[0] % _CONTROLS == 0:
            yield PairQuestion(case, a, a, control=True)
        is_first = False


def _is_settled(question: JudgeQuestion, run: Run, judge: str) -> bool:
    if isinstance(question, SingleQuestion):
        kept = run.findings.get((question.answer.key, question.key))
        return kept is not None and kept.by == judge and kept.answer == answer_mark(question.answer)
    wanted = _verdict(question, judge, None, "")
    there = run.verdicts.get(verdict_key(wanted))
    return there is not None and there.answers == wanted.answers


class JudgeRun:
    """Asks `judge` the missing questions and keeps its verdicts. Raises the judge's error if the
    judge cannot answer at all."""

    def __init__(
        self,
        judge: Contestant,
        file: RunFile,
        config: Config,
        *,
        answered: Callable[[Reply], None],
        may_see_local_only: bool,
    ) -> None:
        self._judge = judge
        self._file = file
        self._config = config
        self._answered = answered
        self._secret = os.urandom(16).hex()
        self._models = model_names(file.run)
        self.todo = questions(file.run, judge.name, may_see_local_only=may_see_local_only)

    def run(self) -> Iterator[int]:
        """Ask the questions, and yield the number of answered ones after each."""
        failures = 0
        for done, question in enumerate(self.todo, start=1):
            reply = self._ask(question)
            if reply.answer is not None:
                self._answered(reply)
                failures = 0
            else:
                failures += 1
                if failures >= _PATIENCE:
                    assert reply.error is not None
                    raise _cannot_judge(self._judge.name, reply.error)
            self._file.add(self._kept(question, reply))
            yield done

    def _ask(self, question: JudgeQuestion) -> Reply:
        def nothing(_event: Event) -> None:
            pass

        request = self._request(question)
        reply = ask(self._judge, request, nothing, threading.Event())
        assert reply is not None, "nobody stops it"
        return reply

    def _request(self, question: JudgeQuestion) -> ChatRequest:
        def clean(answer: RecordedAnswer) -> str:
            return without_names(answer.text.strip(), self._models)

        if isinstance(question, PairQuestion):
            prompt = pair_prompt(
                question.case, clean(question.first), clean(question.second), self._secret
            )
            system, schema = PAIR_SYSTEM, PAIR_SCHEMA
        else:
            prompt = single_prompt(
                question.case, clean(question.answer), question.question, self._secret
            )
            system, schema = SINGLE_SYSTEM, SINGLE_SCHEMA
        settings = AskSettings(system=system, options=Options(max_tokens=_MAX_TOKENS))
        model = self._judge.selected.model
        request = build_request(settings, model, [Message("user", prompt)], self._config)
        return replace(request, schema=schema)

    def _kept(self, question: JudgeQuestion, reply: Reply) -> Any:
        text = reply.partial.text if reply.error is None else f"failed: {reply.error.message}"
        if isinstance(question, PairQuestion):
            verdict, reason = verdict_of(text, get_args(Preference))
            return _verdict(question, self._judge.name, verdict, reason)
        verdict, reason = verdict_of(text, ("yes", "no"))
        answer = question.answer
        return RecordedFinding(
            answer.case,
            answer.model,
            answer.repeat,
            question.key,
            None if verdict is None else verdict == "yes",
            reason,
            self._judge.name,
            answer_mark(answer),
        )


def _verdict(question: PairQuestion, judge: str, verdict: Any, reason: str) -> RecordedVerdict:
    first, second = question.first, question.second
    return RecordedVerdict(
        judge,
        question.case.id,
        first.repeat,
        first.model,
        second.model,
        answer_mark(first, second),
        verdict,
        reason,
        question.control,
    )


def _cannot_judge(judge: str, error: LocalaiError) -> LocalaiError:
    failure = type(error)(f"{judge} does not judge: {error.message}")
    failure.hint, failure.command = error.hint, error.command
    return failure


def kin_of(judge: str, contestants: Sequence[str]) -> list[str]:
    """The contestants that are the judge itself or of its family."""
    return [each for each in contestants if family(each) == family(judge)]


def largest_outsider(
    sizes: Mapping[str, int | None], contestants: Sequence[str]
) -> tuple[str, bool]:
    """The name of the largest model in `sizes` that is no contestant and of no contestant's family,
    with False. If there is none, the largest model that is no contestant, with True, because it is
    kin. Raises InvalidInput if there is no other model."""
    others = {name: size or 0 for name, size in sizes.items() if name not in contestants}
    outsiders = {name: size for name, size in others.items() if not kin_of(name, contestants)}
    if outsiders:
        return max(outsiders, key=outsiders.__getitem__), False
    if others:
        return max(others, key=others.__getitem__), True
    raise InvalidInput(
        "there is no other model on this machine to judge these",
        hint="--judge MODEL names one",
        command="localai list",
    )
