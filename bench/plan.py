"""How long an answer of the planner takes once it is imported: `python bench/plan.py`. The bars: 200 ms, a layout 1 s.

Best of five, in milliseconds of the clock. The first answer, which reads the tables of facts and fits the prior, is told apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from feilun.plan import facts
from feilun.plan.arithmetic import Model
from feilun.plan.budget import solve_budget
from feilun.plan.compare import USUAL, compare
from feilun.plan.data import plan_data
from feilun.plan.deadline import cheapest, solve_deadline
from feilun.plan.finetune import plan_finetune
from feilun.plan.layout import best_layout
from feilun.plan.presets import model_named, plan_preset
from feilun.plan.serve import plan_serve
from feilun.plan.train import plan_train
from feilun.plan.validate import validate


def milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begun)


def main() -> None:
    gpt3, seven, largest = Model.of_size(175e9), Model.of_size(7e9), Model.of_size(10e12)
    begun = time.perf_counter()
    a100, h100 = facts.device("A100-80G"), facts.device("H100")
    plan_train(seven, 1e12, h100, 256)
    print(f"{'the first answer':34}{1e3 * (time.perf_counter() - begun):9.1f} ms")
    questions: dict[str, Callable[[], object]] = {
        "train 175B on 1,024 A100": lambda: plan_train(gpt3, 300e9, a100, 1024, tflops=140),
        "  its layout": lambda: best_layout(gpt3, a100, 1024, length=2048, recompute="full"),
        "train --count 8..1M, 10T": lambda: [
            plan_train(largest, 10e12, h100, 8 << power, must_fit=False) for power in range(18)
        ],
        "train --budget": lambda: solve_budget(50_000, h100),
        "train --deadline --device": lambda: solve_deadline(seven, 1e12, h100, 30),
        "train --deadline (all devices)": lambda: cheapest(seven, 1e12, 30),
        "  70B on 1T": lambda: cheapest(Model.of_size(70e9), 1e12, 30),
        "  405B on 15T": lambda: cheapest(Model.of_size(405e9), 15e12, 60),
        "  1T on 20T": lambda: cheapest(Model.of_size(1e12), 20e12, 90),
        "compare": lambda: compare(seven, 1e12, [facts.device(name) for name in USUAL], 1024),
        "serve": lambda: plan_serve(model_named("qwen3-8b"), h100, 200, 8192),
        "finetune": lambda: plan_finetune(seven, 1e7, h100, "lora"),
        "data": lambda: plan_data(5e12),
        "presets": lambda: [plan_preset(name) for name in facts.presets()],
        "validate": validate,
    }
    for name, question in questions.items():
        print(f"{name:34}{min(milliseconds(question) for _ in range(5)):9.1f} ms")


if __name__ == "__main__":
    main()
