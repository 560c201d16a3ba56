"""``POST /v1/embeddings``."""

from __future__ import annotations

import array
import base64
from typing import Any

from fastapi import APIRouter, Request, Response

from feilun.serve.context import Context, JsonRoute, OrjsonResponse
from feilun.serve.openai.protocol import EmbeddingRequest
from feilun.serve.sse import until_gone
from feilun.text import FeilunError

router = APIRouter(route_class=JsonRoute, tags=["OpenAI"])


@router.post("/v1/embeddings", summary="Turn texts into vectors")
async def create_embeddings(request: Request, body: EmbeddingRequest, services: Context) -> Response:
    """OpenAI's embeddings: one vector of unit length for each text. Nothing is stored."""

    async def work() -> dict[str, Any]:
        # Never a canary: vectors of two releases cannot be compared.
        async with services.pool.lease(body.model) as (release, engine):
            found = await engine.embed(body.texts)
        width = len(found.vectors[0])
        if body.dimensions is not None and body.dimensions != width:
            raise FeilunError(
                f"dimensions: this model's vectors have {width}.",
                f"dimensions：此模型的向量为 {width} 维。",
                status=400,
                code="invalid_value",
                param="dimensions",
            )
        rows = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _packed(vector) if body.encoding_format == "base64" else vector,
            }
            for index, vector in enumerate(found.vectors)
        ]
        usage = {"prompt_tokens": found.prompt_tokens, "total_tokens": found.prompt_tokens}
        return {"object": "list", "data": rows, "model": release.name, "usage": usage}

    return OrjsonResponse(await until_gone(request, work()))


def _packed(vector: list[float]) -> str:
    """Little-endian float32 in base64, as OpenAI's own client asks for."""
    return base64.b64encode(array.array("f", vector).tobytes()).decode()
