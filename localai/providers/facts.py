"""The facts of a provider, known before it is opened: where it computes, which files it opens, its
prices.

Each provider's module has its `FACTS` beside its `create`. Reading them imports that module and
nothing heavy; `providers.registry` finds them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from localai.dataclass import dataclass
from localai.formats import FileFormat

if TYPE_CHECKING:
    from localai.stores.folders import StoreName

Computes = Literal["here", "by_model", "unproven", "elsewhere"]
HoldsSchemas = Literal["grammar", "openai", "anthropic", "unknown"]


def _everywhere() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """The defaults are those of a provider that says nothing about itself.

    `title` is what a sentence calls it; None: its name.

    `computes` is where answers are computed:
    - `here`: always in a process of this machine, which needs no permission;
    - `by_model`: each model's zone says it, and `device` is proven;
    - `unproven`: it may hand a prompt on, and does not say;
    - `elsewhere`: always at a cloud, which is asked nothing, not even for its models, before
      `cloud.allow` names it.

    `opens` is the format of the model files that it opens itself, from every store. `store` is the
    store that its own program keeps, so that whatever lies there is a model of this provider;
    `has_names_of_store` says whether it calls a model as that store does.

    `concurrency` is how many requests at once help, as far as is known. `concurrency_setting` is
    the setting that says otherwise, `most_concurrent` a bound that no wish exceeds.
    `when_measured` are options of its own with which an answer can be measured: nothing of the
    prompt comes out of a cache, and the answer is as long as was asked. `price_list` is
    what the package genai-prices calls it; None where its prices are not known.
    `continues_answers` says that it goes on within a last message that is an answer.
    `holds_schemas` is what holds an answer to a schema, so which part of JSON Schema it knows:
    llama.cpp's grammar, or a cloud's API; unknown of a server of anybody's.
    `keeps_special_tokens_as_text` says that special tokens in a message are text to it, and do
    not speak with the model's voice.
    `takes_chat_template` says that a chat template may be given for its models;
    `template_is_elsewhere`, where else one changes them.
    `takes_think` says that it is told whether to think, `budgets_thinking` that it takes a number
    of tokens as the most that a model may think.
    `runs_here` says whether this is a machine for it at all, without trying it.
    """

    title: str | None = None
    computes: Computes = "unproven"
    opens: FileFormat | None = None
    store: StoreName | None = None
    has_names_of_store: bool = True
    concurrency: int = 4
    concurrency_setting: str | None = None
    most_concurrent: int | None = None
    when_measured: Mapping[str, Any] = field(default_factory=dict)
    price_list: str | None = None
    continues_answers: bool = False
    holds_schemas: HoldsSchemas = "unknown"
    keeps_special_tokens_as_text: bool = False
    takes_chat_template: bool = False
    template_is_elsewhere: str = "its server has its own"
    takes_think: bool = True
    budgets_thinking: bool = False
    runs_here: Callable[[], bool] = _everywhere

    @property
    def has_files_here(self) -> bool:
        """Whether its models are files in the stores of this machine."""
        return self.opens is not None or self.store is not None

    @property
    def proves_device(self) -> bool:
        """Whether an answer whose zone is `device` was computed here for certain, and so for
        nothing."""
        return self.computes in ("here", "by_model")
