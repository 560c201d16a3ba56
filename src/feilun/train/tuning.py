"""What all tuning of a model has in common: how it begins, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from feilun.jobs import Job
from feilun.model import checkpoint, gguf, lora_files
from feilun.model.joined import Updates, attach_above, join
from feilun.model.lora import Lora, attach
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError, Text
from feilun.train.artifact import publish
from feilun.train.distributed import World, gathered
from feilun.train.recipe import DpoRecipe, GrpoRecipe, KtoRecipe, PpoRecipe, RewardRecipe, SftRecipe
from feilun.train.same_data import check_same_data
from feilun.workspace import MANIFEST, Manifest, new_artifact, sha256_file, stages

TuningRecipe = SftRecipe | RewardRecipe | DpoRecipe | KtoRecipe | PpoRecipe | GrpoRecipe


@dataclass
class Tuned:
    """A model that is being tuned."""

    recipe: TuningRecipe
    base: Path
    adapter: Path | None
    tokenizer: Tokenizer
    model: Transformer
    lora: Lora | None
    """Of the adapter that learns."""
    below: Updates | None
    """The adapter under it, which does not."""
    contents: list[str]
    """Hashes of the weights that it begins with."""

    @classmethod
    def open(cls, recipe: TuningRecipe, base: Path, adapter: Path | None, world: World) -> Tuned:
        """The base model with what learns. Raises `FeilunError` for a base or an adapter that cannot be read."""
        with world.first_before_others():
            where = base if base.is_dir() else unpacked(base)
        # What is frozen is never added to: it may as well be kept in the type that products are computed in.
        frozen = recipe.lora is not None or adapter is not None
        model = checkpoint.load(where, recipe.run.torch_dtype if frozen else torch.float32)
        tokenizer = Tokenizer.load(where)
        if tokenizer.vocab_size > model.config.vocab_size:
            raise FeilunError(
                f"The tokenizer in {where} has {tokenizer.vocab_size} tokens, the model there {model.config.vocab_size}: they do not "
                "belong together.",
                f"{where} 中的分词器有 {tokenizer.vocab_size} 个 token，而其中的模型只有 {model.config.vocab_size} 个：二者不匹配。",
                code="other_tokenizer",
            )
        lora, below = recipe.lora, None
        if adapter:
            present = lora_files.load_adapter(model, adapter)
            if lora:
                below = attach_above(model, lora, recipe.seed)
            else:
                lora = present
        elif lora:
            attach(model, lora, recipe.seed)
        # Now: what cannot be read is to be told before the training, not after it.
        contents = [sha256_file(file) for file in _weights(base, adapter)]
        return cls(recipe, base, adapter, tokenizer, model, lora, below, contents)

    def check_same_base(self, job: Job, world: World) -> None:
        """Raises `FeilunError` if the run was begun with another base model, or adapter, under the same name."""
        named = [str(path) for path in (self.base, self.adapter) if path is not None]
        changed = Text(
            f"the weights in {', '.join(named)} are others than it began with",
            f"{'、'.join(named)} 中的权重已被替换",
        )
        check_same_data(job, "base.sha256", " ".join(self.contents), changed, world)

    def check_lengths(self, texts: Iterable[Sequence[int]]) -> None:
        """`check_room` for what `run.length` limits."""
        lower = Text(
            "Lower run.length to {most} or less: what is longer is then left out",
            "请将 run.length 降至不超过 {most}，更长的数据会被略去",
        )
        self.check_room(max(map(len, texts), default=0), lower)

    def check_room(self, tokens: int, advice: Text) -> None:
        """Raises `FeilunError` if ``tokens``, of the longest text that will be read, are more than the model can read.
        ``advice``: what to lower, and to what; ``{most}`` in it is how many it can read.
        """
        most = self.model.config.context
        if tokens > most:
            en, zh = advice.en.format(most=most), advice.zh.format(most=most)
            raise FeilunError(
                f"The longest text here has {tokens} tokens with its answer, but {self.base} reads at most {most}. {en}.",
                f"此处最长的文本连同回答有 {tokens} 个 token，而 {self.base} 最多读取 {most} 个。{zh}。",
                code="beyond_context",
            )

    @property
    def learns(self) -> int:
        """Numbers that learn."""
        return sum(weight.numel() for weight in self.model.parameters() if weight.requires_grad)

    def publish(
        self, folder: Path, job: Job, world: World, sources: list[Path], figures: dict[str, Any]
    ) -> None:
        """Make it the artifact ``folder``: an adapter, or a model. All processes have to call this together."""
        whole = gathered(self.model, self.lora, world)
        if not world.first:
            return
        lora = join(whole, self.below, most=self.recipe.most) if self.below else self.lora

        def write(draft: Path) -> None:
            if lora:
                lora_files.save_peft(whole, draft, self.recipe.base)
                if not lora.dora:  # which llama.cpp does not know
                    lora_files.save_gguf(whole, draft / "adapter.gguf", half=True)
            else:
                checkpoint.save(whole, draft)
            self.tokenizer.save(draft)

        publish(
            folder,
            "adapter" if lora else "model",
            write,
            weights=lora_files.WEIGHTS if lora else checkpoint.WEIGHTS,
            parents=self.parents(sources),
            recipe=self.recipe,
            figures=figures | {"learns": self.learns, "stages": self.stages},
            job=job,
        )

    def parents(self, sources: list[Path]) -> list[str]:
        """Ids of what it is made from."""
        return self.contents + artifacts_of(sources)

    @property
    def stages(self) -> list[str]:
        """What it has gone through, as far as its base and its adapter know; PPO's reward model is a stage of its own."""
        judged = isinstance(self.recipe, PpoRecipe | GrpoRecipe) and self.recipe.reward != "checks"
        return [*stages(self.base, self.adapter), *(["reward"] if judged else []), self.recipe.kind]


def _weights(base: Path, adapter: Path | None) -> list[Path]:
    """The files of a model and of its adapter, of both forms."""
    files = checkpoint.weight_files(base) if base.is_dir() else [base]
    if adapter:
        files.append(adapter / lora_files.WEIGHTS if adapter.is_dir() else adapter)
    return files


def artifacts_of(sources: list[Path]) -> list[str]:
    """Ids of the artifacts that the sources are, or are files of."""
    folders = dict.fromkeys(source if source.is_dir() else source.parent for source in sources)
    return [Manifest.read(folder).id for folder in folders if (folder / MANIFEST).is_file()]


def unpacked(file: Path) -> Path:
    """The Hugging Face folder of a GGUF file, made beside it the first time that it has this content.

    Raises `FeilunError` if the file is none, or of an architecture that is not supported.
    """
    if not file.exists():
        raise FeilunError(f"There is no model at {file}.", f"{file} 处没有模型。", code="no_model")
    # The content is in the name: neither a file's predecessor nor a folder of the user's is taken for it.
    folder = file.with_name(f"{file.stem}-hf-{sha256_file(file).removeprefix('sha256:')[:12]}")
    if not folder.exists():
        with new_artifact(folder) as draft:
            gguf.import_gguf(file, draft)
    return folder
