"""Which models a workspace can answer with, and where their files come from."""

from feilun.registry.builtin import ASSISTANT, SMALLEST
from feilun.registry.canary import Canary
from feilun.registry.listing import Registry
from feilun.registry.releases import Release, Sampling

__all__ = ["ASSISTANT", "SMALLEST", "Canary", "Registry", "Release", "Sampling"]
