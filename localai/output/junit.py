"""A run as JUnit's XML, which CI servers show: a suite for each model, a test for each case.

It has the cases' names and expectations. Prompts and answers are left out, because many people read
CI logs.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from localai.compare.results import Judged, Results
from localai.untrusted import sanitize

# XML 1.0 cannot express these, not even escaped, and ElementTree writes them as they are.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_document(title: str, results: Results) -> bytes:
    """The XML document in UTF-8."""
    root = ElementTree.Element("testsuites", name=_clean(title))
    for model in results.models:
        name = _clean(results.short_names[model.model])
        judged = [each for each in results.judged if each.answer.model == model.model]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=name,
            tests=str(len(judged)),
            failures=str(model.failed),
            errors=str(model.errors),
            skipped=str(model.censored + model.left_out),
        )
        for each in judged:
            _case(suite, each, name)
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _case(suite: ElementTree.Element, judged: Judged, model: str) -> None:
    answer = judged.answer
    repeat = f" [{answer.repeat}]" if answer.repeat > 1 else ""
    attributes = {"name": _clean(answer.case + repeat), "classname": model}
    if answer.total_s is not None:
        attributes["time"] = f"{answer.total_s:.3f}"
    case = ElementTree.SubElement(suite, "testcase", attributes)
    if judged.outcome == "failed":
        broken = [check for check in judged.checks if not check.passed]
        for check in broken[:1]:
            ElementTree.SubElement(case, "failure", type=check.kind, message=_clean(check.expected))
    elif judged.outcome == "error":
        kind, message = answer.error_kind or "error", answer.error or ""
        ElementTree.SubElement(case, "error", type=kind, message=_clean(message))
    elif judged.outcome in ("censored", "left_out"):
        why = "cut at its limit" if judged.outcome == "censored" else "too long for one model"
        ElementTree.SubElement(case, "skipped", message=why)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", sanitize(text))
