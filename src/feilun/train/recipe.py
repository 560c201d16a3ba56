"""Recipes of training runs (``recipes/train/*.toml``)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from feilun.model.config import Family, ModelConfig
from feilun.model.lora import Lora
from feilun.train.optim import OptimiserRecipe
from feilun.train.rollout import Sampling
from feilun.train.run_recipe import RunRecipe
from feilun.validation import first_fault, invalid


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DataRecipe(_Part):
    """What is read."""

    sources: list[str] = Field(default_factory=list[str])
    """Files or folders of text; relative paths begin at the recipe. ``--source`` takes their place."""
    heldout: float = Field(default=0.01, ge=0, lt=1)
    """Share of the documents that is never trained on."""


class TextsRecipe(DataRecipe):
    """Texts for a model that begins from nothing."""

    limit_mb: float | None = Field(default=None, gt=0)
    """Read no more than this of each source file, in MB of text: for small runs on a large corpus."""


class ConversationsRecipe(DataRecipe):
    """Conversations to learn from."""

    without: list[str] = Field(default_factory=list[str])
    """Those in which one of these occurs are left out."""

    def takes(self, text: str) -> bool:
        """Whether what is said in a conversation is to be learnt."""
        return not any(word in text for word in self.without)


class TokenizerRecipe(_Part):
    folder: str | None = None
    """One that is there already; else one is trained on the sources."""
    vocab_size: int = Field(default=8192, ge=300)
    sample_mb: float = Field(default=30, gt=0)
    """How much text it is trained on."""


class ShapeRecipe(_Part):
    """Sizes of a model that begins from nothing."""

    family: Family = "qwen3"
    hidden_size: int = Field(default=384, gt=0)
    layers: int = Field(default=6, gt=0)
    heads: int = Field(default=6, gt=0)
    kv_heads: int | None = Field(default=None, gt=0)
    head_dim: int | None = Field(default=None, gt=0)
    ffn_size: int | None = Field(default=None, gt=0)
    """8/3 of hidden_size, if not given."""
    context: int = Field(default=2048, gt=0)
    tied: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.head_dim is None and self.hidden_size % self.heads:
            raise invalid(
                f"hidden_size ({self.hidden_size}) must be a multiple of heads ({self.heads}), or give head_dim",
                f"hidden_size（{self.hidden_size}）必须是 heads（{self.heads}）的倍数，或给出 head_dim",
            )
        try:
            self.config(vocab_size=1, eos_ids=(), pad_id=0)
        except ValidationError as error:
            said = first_fault(error)
            raise invalid(said.en, said.zh) from None
        return self

    def config(self, vocab_size: int, eos_ids: tuple[int, ...], pad_id: int) -> ModelConfig:
        return ModelConfig(
            family=self.family,
            vocab_size=vocab_size,
            hidden_size=self.hidden_size,
            layers=self.layers,
            heads=self.heads,
            kv_heads=self.kv_heads or self.heads,
            head_dim=self.head_dim or self.hidden_size // self.heads,
            ffn_size=self.ffn_size or round(self.hidden_size * 8 / 3 / 32) * 32,
            context=self.context,
            tied=self.tied,
            eos_ids=eos_ids,
            pad_id=pad_id,
        )


class PretrainRecipe(_Part):
    """A base model from nothing: tokenizer, token shards, training."""

    kind: Literal["pretrain"]
    name: str
    seed: int = 0
    data: TextsRecipe = Field(default_factory=TextsRecipe)
    tokenizer: TokenizerRecipe = Field(default_factory=TokenizerRecipe)
    model: ShapeRecipe = Field(default_factory=ShapeRecipe)
    optimiser: OptimiserRecipe = Field(default_factory=OptimiserRecipe)
    run: RunRecipe
    evaluate_tokens: int = Field(default=100_000, gt=0)
    """Held-out tokens of each language that an evaluation reads."""
    samples: list[str] = Field(default_factory=list[str])
    """Beginnings that the model goes on with at each evaluation."""
    baseline: bool = True
    """Whether a 5-gram model of the same consumed bytes is measured beside it at the end."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.run.steps is None:
            raise invalid("run.steps is missing", "缺少 run.steps")
        return self


class GentleOptimiser(OptimiserRecipe):
    """For weights that have learnt to answer already."""

    lr: float = Field(default=1e-5, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: int = Field(default=10, ge=0)


def _undivided(run: RunRecipe) -> RunRecipe:
    if run.accumulate != 1:
        raise invalid("accumulate must be 1 here: give more rows", "此处 accumulate 必须为 1：请增加 rows")
    return run


WholeRun = Annotated[RunRecipe, AfterValidator(_undivided)]
"""A run whose steps are not read in portions of a given number: how much is computed at once follows from what is read."""


class SftRecipe(_Part):
    """Fine-tuning on conversations: of all weights, or of an adapter."""

    kind: Literal["sft"]
    name: str
    seed: int = 0
    base: str
    """A model's folder, or a GGUF file of any scheme of ``feilun models add``."""
    data: ConversationsRecipe = Field(default_factory=ConversationsRecipe)
    lora: Lora | None = None
    """A new adapter. Without it and without ``adapter`` all weights learn."""
    adapter: str | None = None
    """An adapter to go on with: a folder of PEFT's or a GGUF file. It learns on; beside ``lora`` it stays as it is, the new
    one learns, and both become one in the end."""
    most: int = Field(default=64, gt=0)
    """The highest rank that these two may have together, if the one to go on with has no higher one; what is beyond it is
    rounded off."""
    learns: Literal["all", "ffn"] = "all"
    """Which of the adapter's products learn: all, or those of the feed-forward layers."""
    above: float = Field(default=0, ge=0, lt=1)
    """The adapters of this share of the layers, from the input on, stay as they are."""
    spare: float | None = Field(default=None, gt=0)
    """Let the adapter learn in directions that the examples to keep (``"keep": true``) do not use: a direction with this
    share of their mean second moment is half as free as an unused one (`feilun.model.spare`). Default: all are free."""
    keep_share: float | None = Field(default=None, gt=0, lt=1)
    """How many of the rows of a step are examples to keep. Default: as many as of the examples."""
    vocabulary: Literal["all", "occurring"] = "all"
    """What the softmax is over: all tokens, or those of the examples and a sample of the others (`loss.Candidates`). Of a
    large vocabulary the second costs a fraction. For adapters only: the embedding must not learn."""
    epochs: float = Field(default=1, gt=0)
    """How often each example is seen, where ``run.steps`` does not say how long."""
    samples: list[str] = Field(default_factory=list[str])
    """Questions that are answered at each evaluation, the likeliest way: to be looked at."""
    optimiser: OptimiserRecipe = Field(default_factory=OptimiserRecipe)
    run: WholeRun = Field(default_factory=RunRecipe)


class TuningRecipe(_Part):
    """What the recipes after fine-tuning have in common: a base model, and what of it learns."""

    name: str
    seed: int = 0
    base: str
    """A model's folder, or a GGUF file of any scheme of ``feilun models add``."""
    data: DataRecipe = Field(default_factory=DataRecipe)
    lora: Lora | None = None
    """A new adapter. Without it and without ``adapter`` all weights learn."""
    adapter: str | None = None
    """An adapter to go on with, as in fine-tuning."""
    most: int = Field(default=64, gt=0)
    """The highest rank that the two may have together, as in fine-tuning."""
    epochs: float = Field(default=1, gt=0)
    """How often each pair, answer or prompt is seen, where ``run.steps`` does not say how long."""
    optimiser: GentleOptimiser = Field(default_factory=GentleOptimiser)
    run: WholeRun = Field(default_factory=RunRecipe)
    """``rows``: pairs, or answers, of a step."""


class RewardRecipe(TuningRecipe):
    """A reward model from pairs (`feilun.train.reward.BradleyTerry`)."""

    kind: Literal["reward"]
    centre: float = Field(default=0.01, ge=0)
    """Weight of what keeps rewards around 0."""
    length: float = Field(default=0.0, ge=0)
    """Weight of what keeps rewards from following the length of answers."""


class DpoRecipe(TuningRecipe):
    """Direct preference optimisation on pairs (`feilun.train.dpo.Dpo`)."""

    kind: Literal["dpo"]
    beta: float = Field(default=0.1, gt=0)
    """How much is charged for going away from the model before: less lets it go farther."""
    loss: Literal["sigmoid", "ipo"] = "sigmoid"
    smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the pairs that are taken to stand the wrong way round."""
    normalised: bool = False
    """Compare mean log-probabilities instead of sums."""
    nll: float = Field(default=0.0, ge=0)
    """How much of the chosen answer's own loss is added."""


class KtoRecipe(TuningRecipe):
    """Kahneman-Tversky optimisation on single thumbs (`feilun.train.dpo.Kto`)."""

    kind: Literal["kto"]
    beta: float = Field(default=0.1, gt=0)
    good: float = Field(default=1.0, gt=0)
    bad: float = Field(default=1.0, gt=0)
    """Weights of the two kinds. Both kinds should weigh about the same: number times weight."""


class RolloutRecipe(_Part):
    """What is drawn from the policy, and how far it may go."""

    prompts: int = Field(default=32, gt=0)
    """Of one rollout."""
    length: int = Field(default=256, gt=0)
    """The most tokens of a prompt; longer ones are left out."""
    sampling: Sampling = Field(default_factory=Sampling)
    together: int = Field(default=64, gt=0)
    """Answers that are drawn at the same time, as far as the memory for what they have read allows; the next ones take the
    places of those that have ended."""
    epochs: int = Field(default=1, gt=0)
    """How often each answer is learnt from."""
    penalty: float = Field(default=0.05, ge=0)
    """Weight of the divergence from the model before: of PPO's rewards, of GRPO's loss."""
    target: float | None = Field(default=None, gt=0)
    """Nats of an answer near which the divergence is held, by a penalty that adapts. Default: the penalty stays."""
    most: float | None = Field(default=None, gt=0)
    """Nats of an answer at which the run stops, since the policy has run away. Default: six times the target (10 at least),
    or 100 without one."""
    unended: float = Field(default=1.0, ge=0)
    """Taken from the reward of an answer that did not end."""

    @property
    def limit(self) -> float:
        """Nats of an answer."""
        return self.most or (max(10.0, 6 * self.target) if self.target else 100.0)

    @model_validator(mode="after")
    def _random(self) -> Self:
        if self.sampling.temperature == 0:
            raise invalid("temperature must be above 0 here", "此处 temperature 必须大于 0")
        return self


class OnPolicyRecipe(TuningRecipe):
    """What PPO and GRPO have in common."""

    reward: str = "checks"
    """A reward model's folder; or ``checks``: the share of the checks beside each prompt that its answer passes."""
    rollout: RolloutRecipe = Field(default_factory=RolloutRecipe)

    @model_validator(mode="after")
    def _uncompiled(self) -> Self:
        if self.run.compile != "none":
            raise invalid('run.compile must be "none" here', '此处 run.compile 必须为 "none"')
        return self


class PpoRecipe(OnPolicyRecipe):
    """Proximal policy optimisation (`feilun.train.ppo.Ppo`)."""

    kind: Literal["ppo"]
    gamma: float = Field(default=1.0, gt=0, le=1)
    lam: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.2, gt=0)
    clip_value: float = Field(default=0.2, gt=0)
    value_weight: float = Field(default=0.1, ge=0)
    whiten: bool = True
    """Whether rewards are scaled to deviation 1."""


class GrpoRecipe(OnPolicyRecipe):
    """Group-relative policy optimisation (`feilun.train.grpo.Grpo`)."""

    kind: Literal["grpo"]
    group: int = Field(default=8, gt=1)
    """Answers to each prompt."""
    clip: tuple[float, float] = (0.2, 0.2)
    """How far down and up a probability may go; down, less than to nothing."""
    mean: Literal["answers", "tokens"] = "answers"
    scaled: bool = True
    """Whether an advantage is in units of its group's deviation."""

    @field_validator("clip")
    @classmethod
    def _around_one(cls, clip: tuple[float, float]) -> tuple[float, float]:
        if not (0 < clip[0] < 1 and clip[1] > 0):
            raise invalid(
                "down must be between 0 and 1, and up above 0", "下限须在 0 与 1 之间，上限须大于 0"
            )
        return clip


Recipe = PretrainRecipe | SftRecipe | RewardRecipe | DpoRecipe | KtoRecipe | PpoRecipe | GrpoRecipe
