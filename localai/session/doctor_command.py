"""`/doctor`: what an error's `why:` line names, looked at without leaving the session."""

from __future__ import annotations

from localai.session.state import Session


def doctor(session: Session, argument: str) -> None:
    """What is wrong on this machine, and the line that mends it: everything, or a group or a check
    that an error names.
    It changes nothing, and asks no other machine."""
    from localai.doctor.capture import take
    from localai.doctor.capture.context import Context
    from localai.doctor.checks import all_checks
    from localai.doctor.diagnose import diagnose
    from localai.doctor.selection import codes_of
    from localai.output.doctor import show_diagnosis
    from localai.privacy.environment import given_environment

    output, asker = session.output, session.asker
    codes = codes_of(argument.split())
    output.wait_for("looking at this machine")
    try:
        snapshot = take(Context(asker.paths, asker.config, "", given_environment()))
    finally:
        output.end_progress()
    found = diagnose(snapshot, all_checks())
    found = found.only(codes) if argument else found
    groups = {each.group for each in all_checks() if each.code in codes}
    show_diagnosis(output, found, snapshot, groups, verbose=False)
