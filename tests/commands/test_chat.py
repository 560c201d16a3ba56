"""`feilun chat`: one question, a pipe, and a person at a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.commands.test_models import one_line
from tests.forks import environment, feilun, run_feilun
from tests.support import PATIENCE, Server, eventually

from feilun.workspace import Workspace


def chat(workspace: Path, *args: str, pipe: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return run_feilun("-w", workspace, "chat", *args, pipe=pipe, **env)


def messages_of(server: Server, title: str) -> list[sqlite3.Row]:
    """The messages of the one conversation that began with these words."""
    (conversation,) = server.rows("SELECT id FROM conversations WHERE title = ?", title)
    return server.rows("SELECT * FROM messages WHERE conversation_id = ? ORDER BY id", conversation["id"])


@pytest.mark.parametrize("how", ["typed", "piped"])
def test_what_is_no_utf8_is_told_in_one_line(echo_server: Server, how: str) -> None:
    gbk = "你好".encode("gbk")
    words = [gbk] if how == "typed" else []
    ran = subprocess.run(
        [*feilun("-w", echo_server.workspace, "chat"), *words],
        input=b"" if words else gbk,
        env=environment(),
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ran.returncode == 1
    assert (
        ran.stderr
        == b"Error: What was typed or piped is not UTF-8. Convert it first: iconv -f GB18030 -t UTF-8\n"
    )


# --- one question ------------------------------------------------------------------------------------------


def test_one_question_is_answered_and_kept(echo_server: Server) -> None:
    asked = chat(echo_server.workspace, "how", "are", "you?")
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "echo of how are you? (1 messages) \n", "")
    rows = messages_of(echo_server, "how are you?")
    assert [(row["role"], row["content"]) for row in rows] == [
        ("user", "how are you?"),
        ("assistant", "echo of how are you? (1 messages) "),
    ]
    again = chat(echo_server.workspace, "--continue", "--system", "Be brief.", "and?", pipe="a report")
    assert again.stdout.endswith("Be brief. echo of and?\n\na report (4 messages) \n")
    assert len(messages_of(echo_server, "how are you?")) == 4


def test_errors_are_one_line_in_the_users_language(echo_server: Server) -> None:
    line = one_line(chat(echo_server.workspace, "-m", "no-such-model", "hi", FEILUN_LANG="zh"))
    assert line.startswith("错误：")
    assert "no-such-model" in line
    assert "没有" in line


def test_without_a_server_one_is_started_and_stopped_again(echo_workspace: Path) -> None:
    asked = chat(echo_workspace, pipe="from a pipe")
    assert (asked.returncode, asked.stdout) == (0, "echo of from a pipe (1 messages) \n")
    assert Workspace(echo_workspace).address() is None


def test_a_server_that_cannot_start_is_one_line(echo_workspace: Path) -> None:
    (echo_workspace / "feilun.db").write_bytes(b"no database " * 1000)
    line = one_line(chat(echo_workspace, "hi"))
    assert "feilun.db" in line


# --- a terminal --------------------------------------------------------------------------------------------


class Terminal:
    """`feilun chat` in a terminal of its own."""

    def __init__(self, workspace: Path, *args: str, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            feilun("-w", workspace, "chat", *args),
            env=environment(TERM="xterm", COLUMNS="200", PROMPT_TOOLKIT_NO_CPR="1", **env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._seen = ""

    def expect(self, text: str) -> str:
        """Wait until the terminal shows ``text``; what stood before it since the last time."""
        deadline = time.monotonic() + PATIENCE
        while text not in self._seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self._seen!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # the other side is closed
                    data = b""
                assert data, f"ended without {text!r}: {self._seen!r}"
                self._seen += re.sub(r"\x1b[\[\]()][0-9;?]*[A-Za-z]?|\r", "", data.decode(errors="replace"))
        before, _, self._seen = self._seen.partition(text)
        return before

    def type(self, text: str, end: str = "\r") -> None:
        self.expect(">")
        os.write(self.master, (text + end).encode())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.master)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(workspace: Path, *args: str, **env: str) -> Terminal:
        opened.append(Terminal(workspace, *args, **env))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


Open = Callable[..., Terminal]


def test_opinions_are_given_where_one_talks(echo_server: Server, terminal: Open) -> None:
    talk = terminal(echo_server.workspace)
    talk.type("/good")
    talk.expect("There is no answer yet.")
    talk.type("hello")
    talk.expect("echo of hello (1 messages)")
    for verb in ("/good", "/bad too short", "/fix Good day to you."):
        talk.type(verb)
        talk.expect("Kept, thank you.")
    talk.type("/fix")
    talk.expect("echo of hello (1 messages)")  # what there is can be edited
    os.write(talk.master, b" And you?\x1b\r")
    talk.expect("Kept, thank you.")
    talk.type("/quit")
    assert talk.process.wait(PATIENCE) == 0

    answer = messages_of(echo_server, "hello")[1]["id"]
    rows = echo_server.rows(
        "SELECT rating, comment, correction FROM feedback WHERE message_id = ? ORDER BY seq", answer
    )
    assert [tuple(row) for row in rows] == [
        (1, None, None),
        (-1, "too short", None),
        (-1, "too short", "Good day to you."),
        (-1, "too short", "echo of hello (1 messages)  And you?"),
    ]


def test_a_correction_can_be_left_without_leaving_the_chat(echo_server: Server, terminal: Open) -> None:
    talk = terminal(echo_server.workspace)
    talk.type("leave it")
    talk.expect("echo of leave it (1 messages)")
    for keys in (b"\x03", b"\x15\x04"):  # Ctrl-C; Ctrl-D, which ends an empty line
        talk.type("/fix")
        talk.expect("echo of leave it (1 messages)")
        os.write(talk.master, keys)
    talk.type("/good")
    talk.expect("Kept, thank you.")
    talk.type("/quit")
    assert talk.process.wait(PATIENCE) == 0
    answer = messages_of(echo_server, "leave it")[1]["id"]
    rows = echo_server.rows("SELECT rating, correction FROM feedback WHERE message_id = ?", answer)
    assert [tuple(row) for row in rows] == [(1, None)]


def test_conversations_are_begun_repeated_listed_and_opened(echo_server: Server, terminal: Open) -> None:
    talk = terminal(echo_server.workspace)
    talk.type("first")
    talk.expect("echo of first (1 messages)")
    talk.type("/again")
    talk.expect("echo of first (1 messages)")
    talk.type("/new")
    talk.type("第二")
    talk.expect("echo of 第二 (1 messages)")
    talk.type("/open 1")
    talk.expect("/list first")
    talk.type("/list")
    talk.expect("1 第二")
    talk.expect("2 first")
    talk.type("/open 2")
    talk.expect("> first")
    talk.expect("echo of first (1 messages)")
    talk.type("more")
    talk.expect("echo of more (3 messages)")
    talk.type("/list 二")
    assert "first" not in talk.expect("1 第二")
    talk.type("", end="\x04")  # Ctrl-D
    assert talk.process.wait(PATIENCE) == 0

    question, answer, again, more, _ = messages_of(echo_server, "first")
    assert answer["parent_id"] == again["parent_id"] == question["id"]
    assert more["parent_id"] == again["id"]  # the branch that was shown last
    assert len(messages_of(echo_server, "第二")) == 2


def test_models_and_system_prompts_are_chosen(echo_server: Server, terminal: Open) -> None:
    talk = terminal(echo_server.workspace, "--system", "Hm.")
    talk.type("/model")
    talk.expect("* echo")
    talk.expect("  smollm2-135m-instruct")
    talk.type("/model no")
    talk.expect("There is no model 'no'")
    talk.type("/model echo")
    talk.expect("echo answers from now on.")
    talk.type("hi")
    talk.expect("Hm. echo of hi (2 messages)")
    talk.type("/system Oh.")
    talk.type("ho")
    talk.expect("Oh. echo of ho (4 messages)")
    talk.type("/dance")
    talk.expect("There is no /dance")
    talk.type("/help")
    for verb in ("/good", "/bad", "/fix", "/again", "/model", "/new", "/list", "/open", "/quit"):
        talk.expect(verb)


def test_it_speaks_chinese(echo_server: Server, terminal: Open) -> None:
    talk = terminal(echo_server.workspace, FEILUN_LANG="zh")
    talk.expect("请说")
    talk.type("/good")
    talk.expect("还没有回答。")
    talk.type("你好")
    talk.expect("echo of 你好")
    talk.type("/good")
    talk.expect("已保存，谢谢。")


def test_a_question_typed_yesterday_is_found_with_the_arrow_key(echo_server: Server, terminal: Open) -> None:
    first = terminal(echo_server.workspace)
    first.type("what did I ask?")
    first.expect("echo of what did I ask?")
    first.type("/quit")
    assert first.process.wait(PATIENCE) == 0
    second = terminal(echo_server.workspace)
    second.type("\x1b[A\x1b[A")  # up, past /quit
    second.expect("echo of what did I ask? (1 messages)")


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_leaves_no_server_behind(
    echo_workspace: Path, terminal: Open, end: signal.Signals
) -> None:
    talk = terminal(echo_workspace)
    talk.expect(">")
    workspace = Workspace(echo_workspace)
    assert workspace.address()
    talk.process.send_signal(end)
    eventually(lambda: workspace.address() is None, what="for the server to end", patience=15)


def test_a_server_that_ends_meanwhile_is_told(echo_workspace: Path, terminal: Open) -> None:
    server = Server(echo_workspace)
    server.wait_until_ready()
    talk = terminal(echo_workspace)
    talk.expect(">")
    server.kill()
    os.write(talk.master, b"hi\r")
    talk.expect("The server does not answer")
    talk.type("/quit")
    assert talk.process.wait(PATIENCE) == 0
