"""The entry point of the provider `clouds`, whose FACTS are those of a cloud: see cast.py."""

from localai.providers.facts import ProviderFacts
from tests.support.cast import create_clouds as create

__all__ = ["FACTS", "create"]

FACTS = ProviderFacts(computes="elsewhere", concurrency=4)
