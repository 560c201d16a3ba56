# The part of xllamacpp that feilun.serve.engines.llamacpp uses (the package ships no types).
from collections.abc import Callable
from enum import IntEnum

class llama_pooling_type(IntEnum):
    LLAMA_POOLING_TYPE_MEAN = 1

class CpuParams:
    n_threads: int

class CommonParamsModel:
    path: str

class CommonAdapterLoraInfo:
    def __init__(self, path: str, scale: float) -> None: ...

class CommonParams:
    model: CommonParamsModel
    cpuparams: CpuParams
    cpuparams_batch: CpuParams
    n_ctx: int
    n_parallel: int
    kv_unified: bool
    n_batch: int
    n_ubatch: int
    n_threads_http: int
    cache_ram_mib: int
    cache_idle_slots: bool
    chat_template: str
    use_jinja: bool
    embedding: bool
    pooling_type: llama_pooling_type
    lora_adapters: list[CommonAdapterLoraInfo]
    hostnames: list[str]
    api_keys: list[str]
    ui: bool
    verbosity: int
    endpoint_metrics: bool
    warmup: bool

class Server:
    listening_address: str
    def __init__(self, params: CommonParams) -> None: ...
    def handle_metrics(self) -> str: ...
    def handle_chat_completions(self, body: bytes, callback: Callable[[bytes], bool]) -> None: ...
    def handle_completions(self, body: bytes, callback: Callable[[bytes], bool]) -> None: ...
    def handle_embeddings(self, body: bytes) -> bytes: ...
