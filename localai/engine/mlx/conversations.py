"""The KV caches of the conversations that the MLX worker has seen, in memory and on disk.

A cache is kept with the tokens that it was computed from: a prompt that begins with them need not
compute them again. All caches together hold at most the worker's context, as llama.cpp's slots do;
the least recently used is moved to the disk. Only the worker imports this module, and only its
computing thread calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache

from localai.dataclass import dataclass
from localai.engine.mlx.saved_caches import SavedCaches, common_length

# The least number of tokens that is worth a read or a write of the disk.
_WORTH_THE_DISK_TOKENS = 64


@dataclass(slots=True)
class CachedConversation:
    """A cache and the tokens in it, `saved_tokens` of which, all that it had then, are on the disk.
    `private`: it never goes there."""

    tokens: list[int]
    cache: list[Any]
    private: bool = False
    saved_tokens: int = 0


class CachedConversations:
    """Lends caches: a caller that takes one owns it until it gives it back."""

    def __init__(self, model: Any, saved: SavedCaches | None) -> None:
        self._model = model
        self._saved = saved
        # Least recently used first.
        self._known: list[CachedConversation] = []

    def take(self, prompt: Sequence[int]) -> CachedConversation:
        """The cache that saves most of `prompt`; its tokens are a beginning of `prompt`, and
        shorter.

        At least the last token is left to compute: its output is the first token of the answer.
        """
        best = max(self._known, key=lambda known: self._reusable(known, prompt), default=None)
        spared = self._reusable(best, prompt) if best is not None else 0
        if self._saved is not None:
            loaded = self._saved.load(prompt, better_than=spared + _WORTH_THE_DISK_TOKENS)
            if loaded is not None:
                return _shortened(CachedConversation(*loaded, saved_tokens=len(loaded[0])), prompt)
        if best is None or spared == 0:
            return CachedConversation([], make_prompt_cache(self._model))
        self._known.remove(best)
        return _shortened(best, prompt)

    def give_back(self, conversation: CachedConversation, context_tokens: int) -> None:
        """Keep the cache, and move the least recently used to the disk until all fit
        `context_tokens`."""
        if not conversation.tokens:
            return
        self._known.append(conversation)
        while sum(len(known.tokens) for known in self._known) > context_tokens:
            self._save(self._known.pop(0))

    def save_all(self) -> None:
        """Write all caches to the disk, except private ones, because the worker leaves."""
        for conversation in self._known:
            self._save(conversation)

    def forget(self) -> None:
        """Drop the caches in memory, after a failure that may have left them half computed."""
        self._known.clear()

    def _reusable(self, known: CachedConversation, prompt: Sequence[int]) -> int:
        """How many tokens of `prompt` the cache saves; 0 if using it would lose more.

        Shortening a cache drops the end of the other conversation, so at least half must fit: two
        conversations that share only a system prompt keep a cache each.
        """
        common = common_length(known.tokens, prompt)
        whole = common == len(known.tokens)
        if common == len(prompt):
            common -= 1
            whole = False
        if whole:
            return common
        if 2 * common < len(known.tokens) or not can_trim_prompt_cache(known.cache):
            return 0
        return common

    def _save(self, conversation: CachedConversation) -> None:
        worth_it = len(conversation.tokens) >= _WORTH_THE_DISK_TOKENS
        is_there = conversation.saved_tokens == len(conversation.tokens)
        if self._saved is None or conversation.private or is_there or not worth_it:
            return
        self._saved.save(conversation.tokens, conversation.cache)
        conversation.saved_tokens = len(conversation.tokens)


def _shortened(conversation: CachedConversation, prompt: Sequence[int]) -> CachedConversation:
    keep = min(common_length(conversation.tokens, prompt), len(prompt) - 1)
    surplus = len(conversation.tokens) - keep
    if surplus:
        trim_prompt_cache(conversation.cache, surplus)
        conversation.tokens = conversation.tokens[:keep]
        conversation.saved_tokens = 0
    return conversation
