"""The program that runs an answer's code and then its test inside the confinement, and reports the
outcome.

This file is not imported there: its text is passed to an interpreter that can read nothing of
localai. Its arguments `JOB REPORT` are file descriptors. JOB has a JSON object with `code` and
`test`. REPORT gets a line of JSON at the beginning and one at the end.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import traceback


def _run(name: str, text: str, scope: dict[str, object]) -> tuple[str, str] | None:
    """Run the text. Return the error that it raised, with its place, or None. A program that exits
    with code 0 has ended well."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        exec(compile(text, name, "exec"), scope)
    except SystemExit as ended:
        return None if ended.code in (None, 0) else (f"exit code {ended.code}", name)
    except BaseException as error:  # noqa: BLE001  whatever it raised is the result
        message = traceback.format_exception_only(type(error), error)[-1].strip()
        frames = traceback.extract_tb(error.__traceback__)
        inside = [frame for frame in frames if frame.filename in ("answer", "test")]
        if not inside:
            return message, name
        last = inside[-1]
        return message, f"{last.filename} line {last.lineno}: {last.line}"
    return None


def main(job: int, report: int) -> None:
    """Run the code and the test of the job."""
    with os.fdopen(job) as file:
        given = json.loads(file.read())
    os.write(report, b'{"began": true}\n')
    sys.argv = ["answer"]
    scope: dict[str, object] = {"__name__": "__main__"}
    failed = _run("answer", given["code"], scope) or _run("test", given["test"], scope)
    sys.stdout.flush()
    os.write(report, json.dumps({"failed": failed}).encode() + b"\n")
    # So no destructor or thread of the answer's code can change the result.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
