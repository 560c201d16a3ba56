"""llama.cpp inside this process, through xllamacpp: continuous batching, prefix cache, grammars, adapters.

The settings below were measured (bench/serve.py); the comments say what each is for.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

os.environ.setdefault(
    "GGML_NO_BACKTRACE", "1"
)  # hundreds of lines of a debugger, if it ever ends the process

import xllamacpp

from feilun.registry import Release
from feilun.registry.gguf import Header, bad_model_file, read_header
from feilun.serve.engines.base import Ability, Delta, Embeddings, Params, Stream, Usage
from feilun.serve.engines.tools import speak_tools
from feilun.text import FeilunError, Text

PARALLEL = 8
"""Answers that are written at the same time, memory permitting; more wait in line."""

CACHE_SHARE = 0.25
"""Of the machine's memory, what the KV caches of one model may take."""

BATCH = 64
"""Tokens of prompts that are read at a time: a long prompt holds up the other answers for no longer than that."""

WAITING = 1024
"""Requests that may wait in line; the next one is told to come back later."""

EMBEDDING_CONTEXT = 2048

TOKEN_BYTES = 128
"""The longest token of the usual vocabularies (of spaces). A prompt with more bytes than the context has tokens of that size
is too long for certain; only the tokeniser, which takes seconds for each megabyte and cannot be stopped, says how much."""


class LlamaCpp:
    """A GGUF model in this process. Loading takes about a second: make it in a thread.

    Raises `FeilunError` if the file is no model or llama.cpp cannot load it.
    """

    def __init__(
        self,
        release: Release,
        path: Path,
        *,
        parallel: int = PARALLEL,
        threads: int | None = None,
        batch: int = BATCH,
    ) -> None:
        header = read_header(path)
        if header.is_adapter:
            raise bad_model_file(path, Text("it is an adapter, not a base model", "它是适配器，不是基座模型"))
        adapter = release.adapter_file
        if adapter and not read_header(adapter).is_adapter:
            raise bad_model_file(adapter, Text("it is no adapter", "它不是适配器"))
        self._release = release
        self._path = path
        # All cores would leave none to tokenise and to send: with two, that collapses under load.
        self._threads = threads or max(1, (os.cpu_count() or 2) - 1)
        self._context = min(release.context_length, header.trained_context or release.context_length)
        parallel = _affordable(header, self._context, parallel)
        self._template = template = release.chat_template or header.chat_template or ""
        self.abilities: frozenset[Ability] = frozenset(
            {"chat", "complete", "embed"} if template else {"complete", "embed"}
        )

        self._private, self._key = Path(tempfile.mkdtemp(prefix="feilun-")), secrets.token_urlsafe(32)
        params = self._params(parallel, self._context)
        params.n_batch = params.n_ubatch = batch
        if release.chat_template:
            params.chat_template, params.use_jinja = release.chat_template, True
        if adapter:
            # Scale 0 until a request asks: so the adapter is named in each, and its KV cache is never mixed with another's.
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 0.0)]
        try:
            self._server = self._start(params)
        except FeilunError:
            shutil.rmtree(self._private, ignore_errors=True)
            raise
        self._embedder: xllamacpp.Server | None = None
        self._embed_thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._embed_line = _Line(1)
        self._line = _Line(parallel)
        self._threads_pool = ThreadPoolExecutor(parallel, thread_name_prefix="llama")
        self._mailbox = _Mailbox()

    @property
    def context_length(self) -> int:
        return self._context

    def chat(self, messages: Sequence[dict[str, Any]], params: Params) -> Stream:
        if "chat" not in self.abilities:
            raise FeilunError(
                f"Model {self._release.name} has no chat template: use /v1/completions, or add it again with --template.",
                f"模型 {self._release.name} 没有对话模板：请使用 /v1/completions，或用 --template 重新添加。",
                status=400,
                code="no_chat_template",
                param="model",
            )
        if "tools" in self._template:
            return self._chat(messages, params)
        return speak_tools(messages, params, self._chat)

    def _chat(self, messages: Sequence[dict[str, Any]], params: Params) -> Stream:
        return self._generate(self._server.handle_chat_completions, {"messages": messages, **params})

    def complete(self, prompt: str, params: Params) -> Stream:
        if not prompt:  # with n > 1 llama.cpp would never end
            return _say_nothing(params.get("n", 1))
        return self._generate(self._server.handle_completions, {"prompt": prompt, **params})

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        loop = asyncio.get_running_loop()
        vectors: list[list[float]] = []
        tokens = 0
        await self._embed_line.enter()
        try:
            for text in texts:  # one at a time, so that whoever leaves ends the work after the present one
                payload = orjson.dumps({"input": text})
                answer = orjson.loads(await loop.run_in_executor(self._embed_thread, self._embed, payload))
                if "error" in answer:
                    raise refused(answer["error"])
                vectors.append(answer["data"][0]["embedding"])
                tokens += answer["usage"]["prompt_tokens"]
        finally:
            self._embed_line.leave()
        return Embeddings(vectors, tokens)

    def _embed(self, payload: bytes) -> bytes:
        self._embedder = self._embedder or self._start_embedder()
        return self._embedder.handle_embeddings(payload)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads_pool.shutdown)
        await asyncio.to_thread(self._embed_thread.shutdown)
        del self._server
        self._embedder = None
        shutil.rmtree(self._private, ignore_errors=True)

    def _params(self, parallel: int, context: int) -> xllamacpp.CommonParams:
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_parallel = parallel
        params.n_ctx = context * parallel
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._threads
        # llama.cpp's prompt cache in RAM may answer from another conversation (ggml-org/llama.cpp#27148).
        params.cache_ram_mib, params.cache_idle_slots = 0, False
        # It always opens an HTTP port. Ours is a socket in a folder of our own, behind a key nobody is told.
        params.hostnames = [str(self._private / f"{secrets.token_hex(8)}.sock")]
        params.api_keys, params.ui = [self._key], False
        params.verbosity = -1
        params.endpoint_metrics = True  # for `_start`
        return params

    def _start(self, params: xllamacpp.CommonParams) -> xllamacpp.Server:
        try:
            server = xllamacpp.Server(params)
            # Answered by the loop that works the requests off. One that is told to end before it has begun may never end.
            server.handle_metrics()
            return server
        except RuntimeError:
            shutil.rmtree(self._private, ignore_errors=True)
            adapter = self._release.adapter_file
            en, zh = (f" with the adapter {adapter}", f"及其适配器 {adapter}") if adapter else ("", "")
            why = Text(f"llama.cpp cannot load it{en}", f"llama.cpp 无法加载它{zh}")
            raise bad_model_file(self._path, why) from None

    def _start_embedder(self) -> xllamacpp.Server:
        """A second view of the same weights (they are mapped once) that averages hidden states instead of writing."""
        params = self._params(1, min(self._context, EMBEDDING_CONTEXT))
        params.n_batch = params.n_ubatch = params.n_ctx  # a text must fit one batch
        params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        return self._start(params)

    def _request(self, body: dict[str, Any]) -> dict[str, Any]:
        """A stream, as this release is asked."""
        sampling = self._release.sampling.model_dump(exclude_none=True)
        adapter = {"lora": [{"id": 0, "scale": 1.0}]} if self._release.adapter else {}
        return {**sampling, **body, **adapter, "stream": True}

    async def _generate(
        self, handler: Callable[[bytes, Callable[[bytes], bool]], None], body: dict[str, Any]
    ) -> Stream:
        """Run one request in a thread of its own and yield what it writes.

        The request is always a stream that reports its prompt's progress, whatever the client asked for: only
        so the callback is called often enough to stop a generation, or the reading of a prompt, at once.
        """
        request = self._request({**body, "return_progress": True, "stream_options": {"include_usage": True}})
        count = "top_logprobs" if "top_logprobs" in request else "logprobs"  # chat's name, completions' name
        bare_logprobs = request.get(count) == 0
        if bare_logprobs:  # llama.cpp gives log-probabilities only together with alternatives
            request[count] = 1
        if request.get("seed") is not None:
            request["seed"] &= 0xFFFFFFFF  # OpenAI's seeds have 64 bits, llama.cpp's 32
        try:
            payload = orjson.dumps(request)
        except TypeError:
            raise FeilunError(
                "The request is nested too deeply.", "请求的嵌套层级过深。", status=400, code="invalid_value"
            ) from None
        if _text_bytes(body) > TOKEN_BYTES * self._context:
            raise _too_long(None, self._context)
        await self._line.enter()
        stream = _Stream(self._mailbox, self._line.leave)
        self._threads_pool.submit(stream.run, handler, payload)
        accepted, usage = False, None
        try:
            while (item := await stream.queue.get()) is not None:
                chunk = orjson.loads(item)
                if "error" in chunk:
                    raise refused(chunk["error"])
                if not accepted:
                    accepted = True
                    yield Delta()
                for choice in chunk["choices"]:
                    delta = _delta(choice)
                    if delta is not None:
                        for row in (delta.logprobs or {}).get("content") or () if bare_logprobs else ():
                            row["top_logprobs"] = []
                        yield delta
                if "usage" in chunk:  # comes once for each choice, with the whole prompt in each
                    usage = _add_usage(usage, chunk["usage"])
            if usage is not None:
                yield usage
        finally:
            stream.cancelled = True


def _affordable(header: Header, context: int, most: int) -> int:
    """How many requests of ``context`` tokens can have a KV cache at once, at most ``most``."""
    each = (header.kv_bytes_per_token or 0) * context
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return most if each == 0 else max(1, min(most, int(memory * CACHE_SHARE) // each))


class _Line:
    """Requests in the order they came, as many at once as the engine has places. One that gives up leaves the line at once."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting = 0

    async def enter(self) -> None:
        if self._waiting >= WAITING:
            raise FeilunError(
                "Too many requests are waiting for this model. Try again in a few seconds.",
                "等待此模型的请求过多，请几秒后重试。",
                status=429,
                code="too_many_requests",
                retry_after=5,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        self._places.release()


class _Mailbox:
    """Carries what the engine's threads write into the event loop: one wake-up for all that has come meanwhile.

    With many streams a wake-up for every token of each would cost more than the tokens' own handling.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: list[tuple[_Stream, bytes | None]] = []

    def post(self, stream: _Stream, item: bytes | None) -> None:
        with self._lock:
            self._items.append((stream, item))
            first = len(self._items) == 1
        if first:
            stream.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            items, self._items = self._items, []
        for stream, item in items:
            stream.deliver(item)


class _Stream:
    """One running request: a thread in llama.cpp on one side, a queue in the event loop on the other."""

    def __init__(self, mailbox: _Mailbox, on_end: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        """Chunks as llama.cpp writes them; None is the end."""
        self.cancelled = False
        self._mailbox = mailbox
        self._on_end = on_end

    def run(self, handler: Callable[[bytes, Callable[[bytes], bool]], None], payload: bytes) -> None:
        try:
            if not self.cancelled:
                handler(payload, self._callback)
        except (
            ValueError
        ) as error:  # refused before it began: a schema or a template llama.cpp cannot work with
            self._mailbox.post(self, orjson.dumps({"error": {"code": 400, "message": str(error)}}))
        except Exception as error:
            self._mailbox.post(self, orjson.dumps({"error": {"code": 500, "message": str(error)}}))
        finally:
            self._mailbox.post(self, None)

    def _callback(self, chunk: bytes) -> bool:
        """Called by llama.cpp for each chunk; True stops the generation. Exceptions in here would be swallowed."""
        if not self.cancelled:
            self._mailbox.post(self, chunk)
        return self.cancelled

    def deliver(self, item: bytes | None) -> None:
        if item is None:  # the slot is free only now, not when the client went away
            self._on_end()
        self.queue.put_nowait(item)


async def _say_nothing(choices: int) -> Stream:
    yield Delta()
    for index in range(choices):
        yield Delta(index, finish_reason="stop")
    yield Usage(0, 0)


def _delta(choice: dict[str, Any]) -> Delta | None:
    """A chunk's choice; None for those that only report progress."""
    piece = choice.get("delta")
    text = (piece.get("content") if piece is not None else choice.get("text")) or ""
    tool_calls = piece.get("tool_calls") if piece else None
    finish = choice.get("finish_reason")
    logprobs = choice.get("logprobs")
    if not text and tool_calls is None and finish is None and logprobs is None:
        return None
    return Delta(choice.get("index", 0), text, tool_calls, logprobs, finish)


def _add_usage(before: Usage | None, row: dict[str, Any]) -> Usage:
    cached = row.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return Usage(
        row["prompt_tokens"], row["completion_tokens"] + (before.completion_tokens if before else 0), cached
    )


def _text_bytes(body: dict[str, Any]) -> int:
    """Of what a request gives to read."""
    said: Any = body.get("prompt") or [message.get("content") for message in body.get("messages", ())]
    return len(orjson.dumps(said))


def _too_long(prompt: int | None, context: int | None) -> FeilunError:
    if prompt is None:
        text = Text(
            f"The prompt has far too many tokens, this model takes {context} with the answer. Shorten it, or begin a new conversation.",
            f"提示词过长，此模型连同回答最多 {context} 个 token。请缩短内容，或开始新对话。",
        )
    else:
        text = Text(
            f"The prompt has {prompt} tokens, this model takes {context} with the answer. Shorten it, or begin a new conversation.",
            f"提示词有 {prompt} 个 token，此模型连同回答最多 {context} 个。请缩短内容，或开始新对话。",
        )
    return FeilunError(text.en, text.zh, status=400, code="context_length_exceeded", param="messages")


def refused(error: dict[str, Any]) -> FeilunError:
    """What llama.cpp says of a request that it does not answer, for the one who asked."""
    if error.get("type") == "exceed_context_size_error":
        prompt, context = error.get("n_prompt_tokens"), error.get("n_ctx")
        return _too_long(prompt, context)
    status = int(error.get("code", 500))
    message = str(error.get("message", "unknown error")).strip()
    if "too large to process" in message:
        return FeilunError(
            f"A text is too long to become one vector: {EMBEDDING_CONTEXT} tokens at most. Split it.",
            f"文本过长，无法转换为一个向量：最多 {EMBEDDING_CONTEXT} 个 token。请拆分文本。",
            status=400,
            code="context_length_exceeded",
            param="input",
        )
    if "JSON schema" in message or "grammar" in message:
        return FeilunError(
            f"The model cannot be held to this JSON schema: simplify it ({message.splitlines()[-1][:200]}).",
            f"无法让模型遵守此 JSON schema：请简化（{message.splitlines()[-1][:200]}）。",
            status=400,
            code="invalid_value",
            param="response_format",
        )
    return FeilunError(
        f"The model cannot work with this request: {message}",
        f"模型无法处理此请求：{message}",
        status=status,
        code="engine_error" if status >= 500 else "invalid_value",
    )
