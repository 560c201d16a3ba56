"""Which models a workspace can answer with, and where their files come from."""

from feilun.registry.releases import DEFAULT, Registry, Release, Sampling

__all__ = ["DEFAULT", "Registry", "Release", "Sampling"]
