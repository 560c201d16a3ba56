"""Serving, side by side: the engine alone, our API, and the peers that install here, on the same GGUF in one run.

    python bench/serve.py                       # engine alone and Feilun
    python bench/serve.py --peer llama_cpp=PATH/TO/VENV/bin/python
    python bench/serve.py --soak 120            # 200 clients that come and go

Tokens per CPU-second is the figure to compare: it counts what the serving process burns, whatever else the
machine does. Rounds of the contestants alternate, so that a drifting machine is unfair to none; with
``--together`` each runs at the same moment as the engine, which cancels a drift that is quicker than a round.
The client's own CPU time is not counted, but it takes its share of the cores. "in model" is the share of the
process's CPU time spent in its busiest thread, the one that computes: on a machine whose speed drifts it
tells the price of everything around the model without noise.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from feilun.registry import SMALLEST
from feilun.registry.sources import ensure

CONTEXT = 1024
"""Tokens a request may take, for every contestant."""


def request_body(seed: int, tokens: int) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {
                "role": "user",
                "content": f"Question {seed}: write a long story about robot number {seed} who learns to cook.",
            },
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": tokens,
        "temperature": 0.8,
        "seed": seed,
    }


@dataclass
class Round:
    """What one volley of requests took."""

    tokens: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    first: list[float] = field(default_factory=list)
    """Seconds to each request's first word."""
    in_model: float = 0.0
    """Share of the CPU time that went to the thread that computes."""


class Contestant:
    """Something that answers. ``volley`` sends ``concurrency`` requests at once."""

    name: str
    process: psutil.Process

    def measured(self, concurrency: int, tokens: int, seed: int) -> Round:
        """A volley, and where its CPU time went."""
        before = {thread.id: thread.user_time + thread.system_time for thread in self.process.threads()}
        result = self.volley(concurrency, tokens, seed)
        spent = [t.user_time + t.system_time - before.get(t.id, 0.0) for t in self.process.threads()]
        result.in_model = max(spent) / sum(spent)
        return result

    def volley(self, concurrency: int, tokens: int, seed: int) -> Round: ...


class EngineAlone(Contestant):
    """llama.cpp as Feilun sets it up, in a process of its own, called without server, API or store."""

    name = "engine alone"

    def __init__(self, parallel: int) -> None:
        command = [sys.executable, __file__, "--engine-worker", str(parallel)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process = psutil.Process(self._process.pid)
        self._read()

    def volley(self, concurrency: int, tokens: int, seed: int) -> Round:
        assert self._process.stdin
        self._process.stdin.write(json.dumps([concurrency, tokens, seed]) + "\n")
        self._process.stdin.flush()
        return Round(**self._read())

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def engine_worker(parallel: int) -> None:
    """The other end of `EngineAlone`: reads volleys from stdin, answers with figures."""
    from feilun.serve.engines.llamacpp import LlamaCpp

    release = SMALLEST.model_copy(update={"context_length": CONTEXT})
    server = LlamaCpp(release, ensure(release), parallel=parallel)._server  # pyright: ignore[reportPrivateUsage]
    print("{}", flush=True)
    for line in sys.stdin:
        concurrency, tokens, seed = json.loads(line)
        result = Round()
        lock = threading.Lock()

        def ask(
            number: int, tokens: int = tokens, result: Round = result, lock: threading.Lock = lock
        ) -> None:
            begun, first, last = time.perf_counter(), None, b""

            def callback(chunk: bytes) -> bool:
                nonlocal first, last
                if first is None and b'"delta":{"content":"' in chunk:
                    first = time.perf_counter() - begun
                last = chunk
                return False

            body = {**release.sampling.model_dump(exclude_none=True), **request_body(number, tokens)}
            server.handle_chat_completions(json.dumps(body).encode(), callback)
            with lock:
                result.tokens += json.loads(last)["usage"]["completion_tokens"]
                result.first.append(first or 0.0)

        cpu, begun = time.process_time(), time.perf_counter()
        _at_once([lambda n=seed + i: ask(n) for i in range(concurrency)])
        result.cpu, result.wall = time.process_time() - cpu, time.perf_counter() - begun
        print(json.dumps(vars(result)), flush=True)


class HttpServer(Contestant):
    """A server that speaks OpenAI's API, started by ``command``."""

    def __init__(
        self,
        name: str,
        command: list[str],
        url: str,
        env: dict[str, str] | None = None,
        model: str | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.address = urlsplit(url).netloc
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdout=self._log, stderr=self._log
        )
        self.process = psutil.Process(self._process.pid)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._log.seek(0)
                raise SystemExit(f"{self.name} did not start:\n{self._log.read().decode()[-2000:]}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(self.address, timeout=5)
                connection.request("GET", "/health" if self.model is None else "/v1/models")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer")

    def volley(self, concurrency: int, tokens: int, seed: int) -> Round:
        result = Round()
        lock = threading.Lock()

        def ask(number: int) -> None:
            body = request_body(number, tokens)
            if self.model:
                body["model"] = self.model
            begun, first, count = time.perf_counter(), 0.0, 0
            usage: dict[str, Any] | None = None
            connection = http.client.HTTPConnection(self.address, timeout=600)
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            assert response.status == 200, response.read()
            for line in response:
                if not line.startswith(b"data: {"):
                    continue
                chunk = json.loads(line[6:])
                usage = chunk.get("usage") or usage
                if chunk.get("choices") and chunk["choices"][0]["delta"].get("content"):
                    first = first or time.perf_counter() - begun
                    count += 1
            with lock:
                # Who counts no tokens sends one in each chunk.
                result.tokens += usage["completion_tokens"] if usage else count
                result.first.append(first)

        cpu, begun = self._cpu(), time.perf_counter()
        _at_once([lambda n=seed + i: ask(n) for i in range(concurrency)])
        result.cpu, result.wall = self._cpu() - cpu, time.perf_counter() - begun
        return result

    def _cpu(self) -> float:
        times = [part.cpu_times() for part in (self.process, *self.process.children(recursive=True))]
        return sum(part.user + part.system for part in times)

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def _at_once(work: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def guarded(do: Callable[[], None]) -> None:
        try:
            do()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(do,)) for do in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def feilun_server() -> Generator[HttpServer]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        release = SMALLEST.model_copy(update={"context_length": CONTEXT})
        models = {"default": release.name, "models": [release.model_dump(mode="json")]}
        (Path(folder) / "models.json").write_text(json.dumps(models))
        command = [sys.executable, "-m", "feilun", "-w", folder, "up", "--no-browser", "--port", str(port)]
        server = HttpServer("feilun", command, f"http://127.0.0.1:{port}")
        try:
            yield server
        finally:
            server.close()


def peer_server(spec: str) -> HttpServer:
    """``llama_cpp=PYTHON`` or ``vllm=PYTHON``: the peer installed for that interpreter."""
    name, _, python = spec.partition("=")
    model, port = str(ensure(SMALLEST)), free_port()
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    commands = {
        "llama_cpp": [python, "-m", "llama_cpp.server", "--model", model, "--port", str(port), "--n_ctx", str(CONTEXT),
                      "--n_threads", threads, "--n_threads_batch", threads, "--interrupt_requests", "false"],
        "vllm": [python, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--port", str(port),
                 "--max-model-len", str(CONTEXT), "--served-model-name", model],
    }  # fmt: skip
    return HttpServer(name, commands[name], f"http://127.0.0.1:{port}", model=model)


def compare(
    concurrencies: list[int], tokens: int, rounds: int, peers: list[str], *, together: bool
) -> list[dict[str, Any]]:
    from feilun.serve.engines.llamacpp import PARALLEL

    rows: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        engine = EngineAlone(PARALLEL)
        stack.callback(engine.close)
        contestants: list[Contestant] = [engine, stack.enter_context(feilun_server())]
        for spec in peers:
            peer = peer_server(spec)
            stack.callback(peer.close)
            contestants.append(peer)
        for contestant in contestants:
            contestant.volley(1, 8, 90_000)  # warm up
        for concurrency in concurrencies:
            pairs: dict[str, list[tuple[Round, Round]]] = {contestant.name: [] for contestant in contestants}
            for number in range(rounds):
                asked = (concurrency, tokens, 1000 * concurrency + 100 * number)
                # In turn forwards and backwards: who goes first gains nothing from a machine that slows down or speeds up.
                order = contestants if number % 2 == 0 else contestants[::-1]
                if together:
                    for contestant in order:
                        if contestant is not engine:
                            pairs[contestant.name].append(_side_by_side(contestant, engine, asked))
                else:
                    got = {contestant.name: contestant.measured(*asked) for contestant in order}
                    for name, result in got.items():
                        pairs[name].append((result, got[engine.name]))
            rows += [_row(concurrency, name, paired) for name, paired in pairs.items() if paired]
    return rows


def _side_by_side(one: Contestant, other: Contestant, asked: tuple[int, int, int]) -> tuple[Round, Round]:
    results: dict[str, Round] = {}

    def measure(contestant: Contestant) -> None:
        results[contestant.name] = contestant.measured(*asked)

    _at_once([lambda: measure(one), lambda: measure(other)])
    return results[one.name], results[other.name]


def _row(concurrency: int, name: str, pairs: list[tuple[Round, Round]]) -> dict[str, Any]:
    rounds = [one for one, _ in pairs]
    first = sorted(value for one in rounds for value in one.first)
    ratios = [(one.tokens / one.cpu) / (base.tokens / base.cpu) for one, base in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "concurrency": concurrency,
        "server": name,
        "tokens_per_second": statistics.median(one.tokens / one.wall for one in rounds),
        "tokens_per_cpu_second": statistics.median(one.tokens / one.cpu for one in rounds),
        "of_engine_per_cpu_second": middle,
        "of_engine_quartiles": [low, high],
        "cpu_in_model": statistics.median(one.in_model for one in rounds),
        "first_token_p50_s": statistics.median(first),
        "first_token_p95_s": first[min(len(first) - 1, round(0.95 * len(first)))],
    }


def show(rows: list[dict[str, Any]]) -> None:
    names = (
        f"{'at once':>7} {'server':14} {'tok/s':>8} {'tok/CPU-s':>10} {'of engine':>10} {'(quartiles)':>13} "
    )
    print(names + f"{'in model':>9} {'first p50':>10} {'first p95':>10}")
    for row in rows:
        low, high = row["of_engine_quartiles"]
        print(
            f"{row['concurrency']:7} {row['server']:14} {row['tokens_per_second']:8.1f} {row['tokens_per_cpu_second']:10.1f} "
            f"{row['of_engine_per_cpu_second']:10.3f} ({low:.3f}-{high:.3f}) {row['cpu_in_model']:9.3f} "
            f"{row['first_token_p50_s']:9.2f}s {row['first_token_p95_s']:9.2f}s"
        )


def soak(seconds: float, clients: int = 200) -> dict[str, Any]:
    """Clients that ask, read some of the answer and often hang up. Counts what must not happen: lost messages, 5xx, growth."""
    rng = random.Random(7)
    tally = {"asked": 0, "accepted": 0, "whole": 0, "hung_up": 0, "refused_5xx": 0, "broken": 0}
    accepted: set[str] = set()
    lock, memory = threading.Lock(), list[tuple[float, float]]()
    with feilun_server() as server:
        end = time.monotonic() + seconds

        def client(number: int, pause: float) -> None:
            draw = random.Random(number)
            time.sleep(pause)
            while time.monotonic() < end:
                one(draw)
                time.sleep(draw.expovariate(2))

        def one(draw: random.Random) -> None:
            leave_after = draw.choice([0, 1, 3, 8, 99])
            body = request_body(draw.randrange(1_000_000), draw.choice([4, 8, 16]))
            connection = http.client.HTTPConnection(server.address, timeout=300)
            with lock:
                tally["asked"] += 1
            try:
                connection.request(
                    "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
                )
                if leave_after == 0:  # hangs up before there is an answer
                    time.sleep(draw.random())
                    raise EOFError
                response = connection.getresponse()
                if response.status >= 500:
                    with lock:
                        tally["refused_5xx"] += 1
                    return
                for count, line in enumerate(line for line in response if line.startswith(b"data: {")):
                    if count == 0:
                        with lock:
                            tally["accepted"] += 1
                            accepted.add(json.loads(line[6:])["id"])
                    if count >= leave_after:
                        raise EOFError
                with lock:
                    tally["whole"] += 1
            except EOFError:
                with lock:
                    tally["hung_up"] += 1
            except (OSError, http.client.HTTPException):
                with lock:
                    tally["broken"] += int(time.monotonic() < end)
            finally:
                connection.close()

        threads = [
            threading.Thread(target=client, args=(n, rng.random() * 3), daemon=True) for n in range(clients)
        ]
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        while time.monotonic() < end:
            time.sleep(2)
            memory.append((time.monotonic() - begun, server.process.memory_info().rss / 1e6))
        for thread in threads:
            thread.join(60)
        tally["lost"] = len(accepted - _stored(server.address, accepted))
        tally["generating_after"] = int(_unfinished(server))
    warm = [value for at, value in memory if at > seconds / 3]
    third = max(1, len(warm) // 3)
    return {
        **tally,
        "memory_mb_after_warm_up": statistics.mean(warm[:third]),
        "memory_mb_at_end": statistics.mean(warm[-third:]),
    }


def _stored(address: str, wanted: set[str]) -> set[str]:
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request("GET", "/api/export")
    found: set[str] = set()
    for line in connection.getresponse().read().splitlines():
        found.update(name for name in json.loads(line)["message_ids"] if name in wanted)
    return found


def _unfinished(server: HttpServer) -> float:
    connection = http.client.HTTPConnection(server.address, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return next(
        float(line.split()[-1]) for line in text.splitlines() if line.startswith("feilun_requests_running ")
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--concurrency", default="1,4,8,16")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--together", action="store_true", help="each beside the engine, at the same moment")
    parser.add_argument("--soak", type=float, metavar="SECONDS")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine-worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.engine_worker:
        engine_worker(args.engine_worker)
        return
    if args.soak:
        result: Any = soak(args.soak)
        print(json.dumps(result, indent=2))
        return
    rows = compare(
        [int(part) for part in args.concurrency.split(",")],
        args.tokens,
        args.rounds,
        args.peer,
        together=args.together,
    )
    print(json.dumps(rows, indent=2)) if args.json else show(rows)


if __name__ == "__main__":
    main()
