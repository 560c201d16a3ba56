"""What answers: one `Engine` protocol, llama.cpp in process or any OpenAI-compatible server behind it."""

from feilun.serve.engines.base import Delta, Embeddings, Engine, Params, Stream, Usage

__all__ = ["Delta", "Embeddings", "Engine", "Params", "Stream", "Usage"]
