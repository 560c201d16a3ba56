"""Requests of the OpenAI-compatible API. Unknown fields are ignored, as OpenAI's clients expect; known ones are checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

from feilun.store.conversations import text_of
from feilun.validation import invalid

Short = Annotated[str, StringConstraints(max_length=256)]
JsonObject = dict[str, JsonValue]

FORWARDED = (
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "top_k",
    "min_p",
    "repeat_penalty",
)
"""Generation parameters every engine is given when the request sets them."""


class StreamOptions(BaseModel):
    include_usage: bool = False


class Generation(BaseModel):
    """What chat and text completions have in common."""

    model_config = ConfigDict(extra="ignore")

    model: Short | None = Field(None, description="A name from /v1/models; the default model when left out.")
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=8)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    min_p: float | None = Field(None, ge=0, le=1)
    repeat_penalty: float | None = Field(None, ge=0.1, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    user: Short | None = Field(
        None, min_length=1, description="Whose message this is; the local owner when left out."
    )
    metadata: dict[str, str] | None = None
    store: bool | None = Field(
        None, description="false keeps nothing of this request; everything else is stored."
    )

    @field_validator("logit_bias")
    @classmethod
    def _token_ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        for token in bias or ():
            if not (token.isascii() and token.isdigit() and len(token) < 10):
                raise invalid(f"'{token[:20]}' is not a token id", f"“{token[:20]}”不是词元编号")
        return bias

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @field_validator("stop")
    @classmethod
    def _something(cls, stop: str | list[str] | None) -> list[str] | None:
        # An empty string stands before every word: it would stop every answer at once.
        return [text for text in ([stop] if isinstance(stop, str) else stop or []) if text] or None

    def engine_params(self) -> dict[str, Any]:
        return {name: value for name in FORWARDED if (value := getattr(self, name)) is not None}


class Part(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Short
    text: str | None = None


class FunctionCall(BaseModel):
    name: Short
    arguments: str = "{}"


class ToolCall(BaseModel):
    id: Short = ""
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(min_length=1)] | None = None
    name: Short | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=128)] | None = None
    tool_call_id: Short | None = None

    @model_validator(mode="after")
    def _text_only(self) -> ChatMessage:
        if self.role in ("user", "tool", "system", "developer") and self.content is None:
            raise invalid(f"a {self.role} message needs content", f"{self.role} 消息需要 content")
        if isinstance(self.content, list):
            for part in self.content:
                if part.type != "text" or part.text is None:
                    raise invalid(
                        f"content of type '{part.type}' is not supported; send text",
                        f"不支持“{part.type}”类型的内容，请发送文本",
                    )
        return self


class Function(BaseModel):
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class Tool(BaseModel):
    type: Literal["function"]
    function: Function


class ChosenFunction(BaseModel):
    name: Short


class ToolChoice(BaseModel):
    type: Literal["function"]
    function: ChosenFunction


class JsonSchema(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: Short = "answer"
    schema_: JsonObject | bool = Field(default_factory=dict[str, JsonValue], alias="schema")
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _has_schema(self) -> ResponseFormat:
        if self.type == "json_schema" and self.json_schema is None:
            raise invalid("json_schema is missing", "缺少 json_schema")
        return self


class ChatCompletionRequest(Generation):
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ChatCompletionRequest:
        if self.top_logprobs and not self.logprobs:
            raise invalid("top_logprobs needs logprobs: true", "top_logprobs 需要 logprobs: true")
        if self.tool_choice not in (None, "none", "auto") and not self.tools:
            raise invalid("tool_choice needs tools", "tool_choice 需要 tools")
        return self

    def openai_messages(self) -> list[dict[str, Any]]:
        """The messages as engines and store take them: text as one string, developer messages as system ones."""
        rows = [message.model_dump(exclude_none=True) for message in self.messages]
        for row in rows:
            row["role"] = "system" if row["role"] == "developer" else row["role"]
            row["content"] = text_of(row)
        return rows

    def engine_params(self) -> dict[str, Any]:
        params = super().engine_params()
        if self.max_completion_tokens is not None:
            params["max_tokens"] = self.max_completion_tokens
        if self.logprobs:
            params.update(logprobs=True, top_logprobs=self.top_logprobs or 0)
        if self.response_format and self.response_format.type != "text":
            params["response_format"] = self.response_format.model_dump(exclude_none=True, by_alias=True)
        if self.tools:
            params["tools"] = [tool.model_dump(exclude_none=True) for tool in self.tools]
            choice = self.tool_choice
            params["tool_choice"] = (
                choice.model_dump() if isinstance(choice, ToolChoice) else choice or "auto"
            )
        return params


class CompletionRequest(Generation):
    prompt: str | Annotated[list[str], Field(min_length=1, max_length=64)] = ""
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _supported(self) -> CompletionRequest:
        if self.suffix:
            raise invalid("suffix is not supported", "不支持 suffix")
        if self.best_of is not None and self.best_of != self.choices:
            raise invalid("best_of is not supported", "不支持 best_of")
        if isinstance(self.prompt, list) and len(self.prompt) * self.choices > 64:
            raise invalid("at most 64 choices in all", "一次最多 64 个回答")
        return self

    @property
    def prompts(self) -> list[str]:
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt

    def engine_params(self) -> dict[str, Any]:
        params = super().engine_params()
        params.setdefault("max_tokens", 16)  # OpenAI's default for this endpoint
        if self.logprobs is not None:
            params["logprobs"] = self.logprobs
        return params


class EmbeddingRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    model: Short | None = None
    input: str | Annotated[list[str], Field(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = Field(None, ge=1)
    user: Short | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


class FeedbackRequest(BaseModel):
    """A whole opinion: fields left out keep their previous value, null clears."""

    model_config = ConfigDict(extra="forbid")

    message_id: Short
    rating: Literal[1, -1] | None = None
    tags: (
        Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=64)]], Field(max_length=32)]
        | None
    ) = None
    comment: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    correction: Annotated[str, StringConstraints(max_length=200_000)] | None = None
    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    user: Short | None = Field(None, min_length=1)

    @field_validator("rating", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        if isinstance(value, bool | float):  # which compare equal to 1
            raise invalid("must be 1, -1 or null", "须为 1、-1 或 null")
        return value

    def opinion(self) -> dict[str, Any]:
        given = self.model_dump(include={"rating", "tags", "comment", "correction"} & self.model_fields_set)
        if not (given.get("correction") or "").strip() and "correction" in given:
            given["correction"] = None  # nobody means that to say nothing would have been right
        if "tags" in given:
            given["tags"] = given["tags"] or []
        return given
