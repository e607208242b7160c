"""The line under the prompt: model, zone, context, speed."""

from __future__ import annotations

from localai.session.model_commands import zone_label
from localai.session.state import Session


def status_text(session: Session, columns: int) -> str:
    """What fits into `columns`, the most important first; what is unknown is left out."""
    model = session.asker.chosen.model
    name = f"{model.provider}/{model.id}"
    last = session.conversation.last_answer
    zone = zone_label(model)
    if last is not None and last.model == name and last.zone is not None:
        zone = last.zone
    # A path's end says more than its beginning.
    parts = [name if len(name) <= 30 else f"…{name[-29:]}", zone]
    if last is not None and last.context_tokens is not None:
        total = (
            last.allocated_tokens or session.asker.settings.context_tokens or model.context_limit
        )
        of = "" if total is None else f" of {total:,}"
        parts.append(f"{last.context_tokens:,}{of} tokens")
    if session.decode_tokens_per_s is not None:
        parts.append(f"{session.decode_tokens_per_s:.1f} tok/s")
    if session.files:
        count = len(session.files)
        parts.insert(2, f"+{count} file{'s' if count > 1 else ''}")
    while len(parts) > 1 and len(" · ".join(parts)) > columns:
        parts.pop()
    return " · ".join(parts)[:columns]
