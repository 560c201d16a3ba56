"""The one training loop."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch._functorch import config as functorch
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_

from feilun.jobs import Job
from feilun.model.checkpoint import save_tensors
from feilun.model.transformer import Transformer
from feilun.text import FeilunError, Text
from feilun.train.batches import Batches, NotDrawn, StepBatches
from feilun.train.distributed import World, shard
from feilun.train.divergence import SEEN, high, spiked, steps_ago
from feilun.train.flops import counted
from feilun.train.left import after_leap, after_rollout, newest
from feilun.train.memory import keep_freed_memory, peak_memory_mb
from feilun.train.objectives import NextToken, Objective, Telling, Watching
from feilun.train.optim import OptimiserRecipe, Optimisers, learning_rate
from feilun.train.run_recipe import RunRecipe
from feilun.train.state import checkpoints, learning_weights, load_state, save_state

KEPT = 0.9
"""Share of the activations that a compiled model keeps; what is cheap to compute again makes the rest. It took a quarter
off the peak memory of a small model's step."""


class Memory(Protocol):
    """What a run has to remember besides weights and optimisers, as JSON: a controller's coefficient."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Trainer:
    """One run of one model. ``run`` may be called again after a kill: it goes on from the newest checkpoint."""

    def __init__(
        self,
        model: Transformer,
        batches: Batches,
        run: RunRecipe,
        optimiser: OptimiserRecipe,
        job: Job,
        *,
        seed: int = 0,
        objective: Objective | None = None,
        evaluate: Callable[[int], None] | None = None,
        world: World | None = None,
        memory: Memory | None = None,
        stride: int = 1,
    ) -> None:
        """``stride``: so many steps belong together, and a checkpoint is written after the last of them only: they learn from
        what the weights before the first have drawn.
        """
        self.memory, self.stride = memory, stride
        self.model, self.batches, self.recipe, self.job = model, batches, run, job
        self.seed, self.world = seed, world or World()
        assert run.steps is not None
        self.steps = run.steps
        self.objective: Objective = objective or NextToken()
        self.evaluate = evaluate
        prepare(model, run, self.world)
        self.optimisers = Optimisers(optimiser, model.named_parameters(), run.torch_dtype)
        self.average: dict[str, Tensor] = {}
        if optimiser.ema is not None:
            self.average = {name: weight.clone() for name, weight in learning_weights(model).items()}
        self.dtype = run.torch_dtype
        self.tokens = 0
        self._begun = 0
        """Step of the checkpoint with which this process has begun."""
        self._unproven: int | None = None
        """Step of the newest checkpoint, until the next loss (or rollout) has told what its weights are worth."""

    def run(self) -> bool:
        """Train to the last step, or until the job is asked to stop; a checkpoint is left either way. True at the end.

        While the loss is too high none is written, and none removed: who then asks for a stop waits some steps, until it
        is lower or the run has diverged. Raises `FeilunError` when the loss is no number or leaps, or the objective finds the
        model ruined (`Watching`); the batch that did it is kept in the job's folder.
        """
        steps = self.steps
        keep_freed_memory()
        done = self._resume()
        peak = matmul_peak(self.dtype, self.world.device) * self.world.size
        flops = counted(self.model, self.batches, self.objective, self.recipe.length)
        recent = self.world.of_first(self._losses(done))
        self.model.train()
        begun = last = time.monotonic()
        first, due = done, False
        for step in range(done, steps):
            work = self._work(step)
            share = learning_rate(self.optimisers.recipe, step, steps)
            loss, norm = self._step(work, share, step, recent)
            told = self._told()
            calm = self._watched(work, step, told) and (self.memory is not None or not high(recent))
            if calm:
                self._remove_old()
            self.tokens += work.tokens
            now = time.monotonic()
            seconds = now - last
            self.job.emit(
                "step",
                step=step + 1,
                steps=steps,
                loss=loss,
                lr=self.optimisers.recipe.lr * share,
                grad_norm=norm,
                tokens=self.tokens,
                tokens_per_second=work.tokens / seconds,
                mfu=flops(work) / seconds / peak if flops else None,
                memory_mb=peak_memory_mb(),
                **self._gpu_memory(),
                eta_s=(now - begun) / (step + 1 - first) * (steps - step - 1),
                **told,
            )
            last = now
            at_end, whole_stride = step + 1 == steps, (step + 1) % self.stride == 0
            stopping = calm and whole_stride and self.world.of_first(self.job.stop_wanted)
            due = due or (whole_stride and self._due(step + 1))
            if calm and (at_end or stopping or due):
                if self._broken():
                    found = Text(
                        "the weights are no numbers any more, so the run has diverged",
                        "权重已不是有效数值，训练已发散",
                    )
                    self._end(work, step, 0, found)
                self._save(step + 1)
                due = False
                # The next rollout, of a longer run, may still find that it is ruined.
                if at_end and self.memory is None:
                    self._remove_old()
            if self.evaluate and ((step + 1) % self.recipe.evaluate_every == 0 or at_end):
                self._evaluate(step + 1)
            if stopping and not at_end:
                return False
            last = time.monotonic()
        if self.evaluate and done >= steps and self.world.of_first(self._evaluated()) != done:
            self._evaluate(done)  # the run was killed between its last checkpoint and this
        return True

    def prove(self) -> None:
        """Have the last weights draw once more, so that what is told of the run is theirs. Raises `FeilunError` if they are
        ruined.
        """
        self._work(self.steps)

    def use_average(self) -> None:
        """Let the model have the average of its weights, where one is kept."""
        _put(self.model, self.average)

    def _work(self, step: int) -> StepBatches:
        try:
            return self.batches.at(step)
        except NotDrawn as error:
            left = newest(self._folder)
            if error.ruined:  # which all processes find together
                if self.world.first:
                    left = after_rollout(self._folder, step, self._begun, self.stride)
                left = self.world.of_first(left)
            raise error.leaving(left) from error

    def _watched(self, work: StepBatches, step: int, told: dict[str, float]) -> bool:
        """Whether the model is worth a checkpoint, as the objective sees it. Ends the run if it is ruined."""
        if not isinstance(self.objective, Watching):
            return True
        doubt = self.objective.doubt(told, last=step + 1 == self.steps)
        if doubt and doubt.sure:
            self._end(work, step, doubt.ago, doubt.said)
        return doubt is None

    def _step(self, work: StepBatches, share: float, step: int, recent: list[float]) -> tuple[float, float]:
        """One optimiser step, whose loss is put behind the ``recent`` ones. Gives that, the mean in nats, and the norm of
        the gradient before clipping.
        """
        # What an objective draws is a function of seed and step, as the batches are: a checkpoint needs no generator.
        torch.manual_seed(hash((self.seed, step, self.world.rank)) % 2**63)  # pyright: ignore[reportUnknownMemberType]
        total = 0.0
        for batch in work.batches:
            nats = self.objective(self.model, batch.to(self.world.device), self.dtype)
            # Processes average their gradients, and the loss is a sum over all of them.
            (nats * (self.world.size / work.learnt)).backward()  # pyright: ignore[reportUnknownMemberType]
            total += float(nats.detach())
        loss = self.world.sum(total) / work.learnt
        norm = clip_grad_norm_(self.optimisers.parameters, self.optimisers.recipe.clip)
        norm = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
        recent.append(loss)
        del recent[:-SEEN]
        # The loss of what was drawn anew says little: it is no measure of how good the policy is.
        leapt = self.memory is None and spiked(recent)
        if not math.isfinite(loss) or not math.isfinite(norm) or leapt:
            self._give_up(work, step, norm, recent)
        self.optimisers.step(share)
        if self.average:
            weight = 1 - (self.optimisers.recipe.ema or 0)
            now = learning_weights(self.model)
            for name, kept in self.average.items():
                kept.lerp_(now[name], weight)
        return loss, norm

    def _broken(self) -> bool:
        """Whether a weight is no number: the loss of a step is that of the weights before it."""
        weights = (one.to_local() if isinstance(one, DTensor) else one for one in self._state().values())
        return self.world.sum(float(sum(not bool(one.isfinite().all()) for one in weights))) > 0

    def _due(self, step: int) -> bool:
        """Whether a checkpoint fell due in the steps that belong together and end with ``step``."""
        every = self.recipe.save_every
        return step // every > (step - self.stride) // every

    def _gpu_memory(self) -> dict[str, float]:
        """The most that tensors have held on this process's GPU, in MiB; ``memory_mb`` is the host's."""
        if self.world.device.type != "cuda":
            return {}
        return {"gpu_memory_mb": torch.cuda.max_memory_allocated(self.world.device) / 2**20}

    def _told(self) -> dict[str, float]:
        """What the objective has to tell of the step: means over all processes."""
        if not isinstance(self.objective, Telling):
            return {}
        sums = {name: tuple(map(self.world.sum, pair)) for name, pair in self.objective.take().items()}
        return {name: total / count for name, (total, count) in sums.items() if count}

    def _give_up(self, work: StepBatches, step: int, norm: float, recent: Sequence[float]) -> None:
        """End a run that has diverged; the last of the ``recent`` losses is that of ``step``."""
        ago = 0 if self.memory is not None else steps_ago(recent)
        since = Text(
            f". It leapt at step {step - ago + 1}, to {recent[-1 - ago]:.3g}",
            f"。第 {step - ago + 1} 步起损失突增至 {recent[-1 - ago]:.3g}",
        )
        found = Text(
            f"the loss is {recent[-1]:.3g} and the gradient's norm {norm:.3g}, so the run has diverged{since.en if ago else ''}",
            f"损失为 {recent[-1]:.3g}，梯度范数为 {norm:.3g}，训练已发散{since.zh if ago else ''}",
        )
        self._end(work, step, ago, found)

    def _end(self, work: StepBatches, step: int, ago: int, found: Text) -> None:
        """End a run of which ``found`` says that it has diverged: so many steps ago, of ``step``."""
        leapt = step - ago
        if ago:
            work = self.batches.at(leapt)
        kept = self._keep_batch(work, leapt)
        left = after_leap(self._folder, leapt, self._begun, self._unproven, remove=self.world.first)
        raise FeilunError(
            f"Step {step + 1}: {found.en}. {kept.en}; {left.en}. Lower the learning rate, or lengthen the warm-up.",
            f"第 {step + 1} 步：{found.zh}。{kept.zh}；{left.zh}。请降低学习率或延长预热。",
            code="diverged",
        )

    def _keep_batch(self, work: StepBatches, step: int) -> Text:
        """Write down what was seen at ``step``, and say where."""
        process = f"-{self.world.rank}" if self.world.size > 1 else ""
        path = self.job.folder / f"bad-batch-{step + 1}{process}.safetensors"
        tensors: dict[str, Tensor] = {}
        for number, batch in enumerate(work.batches):
            tensors |= {
                f"ids.{number}": batch.ids.contiguous(),
                f"targets.{number}": batch.targets.contiguous(),
            }
        try:
            save_tensors(tensors, path)
        except OSError as error:  # a full disk must not hide what went wrong first
            return Text(
                f"The batch of step {step + 1} could not be kept ({error.strerror}: {path})",
                f"第 {step + 1} 步的批次未能保存（{error.strerror}：{path}）",
            )
        return Text(f"The batch of step {step + 1} is kept in {path}", f"第 {step + 1} 步的批次保存在 {path}")

    def _evaluate(self, step: int) -> None:
        assert self.evaluate is not None
        trained = (
            {name: weight.clone() for name, weight in learning_weights(self.model).items()}
            if self.average
            else {}
        )
        _put(self.model, self.average)
        self.model.eval()
        # What is read there has many lengths, and for each of them the blocks would be compiled anew.
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            self.evaluate(step)
        self.model.train()
        _put(self.model, trained)

    def _evaluated(self) -> int | None:
        """After which step the model was evaluated last."""
        found = self.job.last("eval")
        return found["step"] if found else None

    @property
    def _folder(self) -> Path:
        return self.job.folder / "checkpoints"

    def _state(self) -> dict[str, Tensor]:
        return learning_weights(self.model) | {f"ema/{name}": weight for name, weight in self.average.items()}

    def _save(self, step: int) -> None:
        extra: dict[str, Any] = {"tokens": self.tokens}
        if self.memory:
            extra["memory"] = self.memory.state()
        # One more than is wanted, until it is known whether the new one is of any use.
        keep = self.recipe.keep + 1
        path = save_state(self._folder, step, self._state(), self.optimisers, extra, keep, self.world)
        self._unproven = step
        self.job.emit("checkpoint", step=step, path=str(path.relative_to(self.job.folder)))

    def _remove_old(self) -> None:
        """Remove all but the newest checkpoints, which are sound."""
        if self._unproven is not None and self.world.first:
            for old in checkpoints(self._folder)[: -self.recipe.keep]:
                shutil.rmtree(old, ignore_errors=True)
        self._unproven = None

    def _losses(self, done: int) -> list[float]:
        """Of the last steps up to ``done``, after which a run goes on."""
        if not done:
            return []
        found = {event["step"]: event["loss"] for event in self.job.events() if event["event"] == "step"}
        last = range(done, max(0, done - SEEN), -1)
        return [found[step] for step in takewhile(found.__contains__, last)][::-1]

    def _resume(self) -> int:
        found = checkpoints(self._folder)
        if not found:
            return 0
        step, extra = load_state(found[-1], self._state(), self.optimisers, self.world)
        self._begun = self._unproven = step
        self.tokens = extra["tokens"]
        if self.memory:
            self.memory.restore(extra["memory"])
        return step


def prepare(model: Transformer, run: RunRecipe, world: World) -> None:
    """Make a model ready to be trained, in place: where it computes, how, and by how many processes."""
    if world.size == 1:  # else it may be larger than one device: each block goes there as it is spread
        model.to(world.device)
    model.recompute = run.recompute
    functorch.activation_memory_budget = KEPT  # pyright: ignore[reportAttributeAccessIssue]
    if run.compile != "none":
        model.slope = torch.compile(model.slope, dynamic=False)  # pyright: ignore[reportUnknownMemberType]
    if run.compile == "full" and world.size == 1:
        model.hidden = torch.compile(model.hidden, dynamic=False)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    elif run.compile != "none":  # weights that are brought together block by block cannot be compiled as one
        for block in model.blocks:
            block.compile(dynamic=False)  # pyright: ignore[reportUnknownMemberType]
    if world.size > 1:
        shard(model, world)


def _put(model: Transformer, weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, weight in learning_weights(model).items():
            if name in weights:
                weight.copy_(weights[name])


def matmul_peak(dtype: torch.dtype, device: torch.device | None = None, size: int = 1024) -> float:
    """Floating-point operations a second of a large matrix product here and now: what MFU is measured against. ``size``: of its
    sides, on a processor.
    """
    device, products = device or torch.device("cpu"), 1
    if device.type == "cuda":  # which has done a small product before it has been told of the next
        size, products = 8192, 8
    generator = torch.Generator(device).manual_seed(0)  # not the run's own, which must not be disturbed
    a, b = (torch.randn(size, size, generator=generator, device=device).to(dtype) for _ in range(2))
    best = math.inf
    for _ in range(4):
        begun = time.perf_counter()
        for _ in range(products - 1):
            torch.mm(a, b)
        float(torch.mm(a, b)[0, 0])  # waits for a device that computes on its own
        best = min(best, time.perf_counter() - begun)
    return products * 2 * size**3 / best
