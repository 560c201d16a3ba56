"""``feilun chat``: the conversations of the console, in a terminal."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any

import typer
from httpx import QueryParams
from rich.console import Console

from feilun.commands.client import Client, connected
from feilun.text import FeilunError, Text, say
from feilun.workspace import Workspace

HELP = say(
    "Talk in the terminal; without a question it is a conversation, `/help` shows what it can do.\n\n"
    "Examples:\n\n`feilun chat`\n\n`feilun chat 'What is a flywheel?'`\n\n`cat report.txt | feilun chat 'Summarise this:'`",
    "在终端中对话；不带问题则进入对话，`/help` 查看可用命令。\n\n"
    "示例：\n\n`feilun chat`\n\n`feilun chat '飞轮是什么？'`\n\n`cat report.txt | feilun chat '请总结：'`",
)

VERBS: dict[str, tuple[str, Text]] = {
    "/good": ("", Text("the last answer was good", "上一个回答很好")),
    "/bad": ("[why]", Text("the last answer was bad", "上一个回答不好")),
    "/fix": ("[text]", Text("what the last answer should have been", "给出上一个回答的正确内容")),
    "/again": ("", Text("answer the last question again", "重新回答上一个问题")),
    "/model": ("[name]", Text("show the models, or change to one", "列出模型或切换模型")),
    "/system": ("[text]", Text("show or set the system prompt", "显示或设置系统提示词")),
    "/new": ("", Text("begin a new conversation", "开始新对话")),
    "/list": ("[words]", Text("show or search the conversations", "列出或搜索对话")),
    "/open": ("number", Text("go on with a conversation of the list", "继续列表中的对话")),
    "/help": ("", Text("this list", "显示此列表")),
    "/quit": ("", Text("leave (also Ctrl-D)", "退出（也可按 Ctrl-D）")),
}


WIRE = ("role", "content", "tool_calls", "tool_call_id", "name")
"""What of a stored message is sent again."""


def printable(text: str) -> str:
    """Text without the control characters by which it could command the terminal."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def chat(
    context: typer.Context,
    question: Annotated[
        list[str] | None, typer.Argument(help=say("Ask this and end.", "只问这一句。"))
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help=say("Which model answers.", "使用的模型。"))
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help=say("System prompt.", "系统提示词。"))
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option("--continue", "-c", help=say("Go on with the last conversation.", "继续上一个对话。")),
    ] = False,
) -> None:
    workspace = Workspace(context.obj)
    out = Console(highlight=False)
    with connected(workspace) as client:
        talk = Talk(client, out, model, system)
        if go_on:
            talk.open_last()
        if question or not sys.stdin.isatty():
            # Bytes that are no UTF-8 are refused where they are sent, in one line.
            piped = "" if sys.stdin.isatty() else sys.stdin.buffer.read().decode(errors="surrogateescape")
            text = "\n\n".join(part for part in (" ".join(question or []), piped.strip()) if part)
            if text:
                talk.ask(text)
            return
        out.print(say("Talk; /help shows more.", "请说；输入 /help 查看更多。"), style="dim")
        # A tenth of what it takes to start, and no other command needs it.
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory

        session: PromptSession[str] = PromptSession(history=FileHistory(str(workspace.path / "chat_history")))
        while True:
            try:
                line = session.prompt("> ").strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if line in ("/quit", "/exit"):
                return
            try:
                if line.startswith("/"):
                    talk.command(line)
                elif line:
                    talk.ask(line)
            except FeilunError as error:
                out.print(str(error), style="red", markup=False)


class Talk:
    """A conversation in progress: what has been said on this branch, and where it is stored."""

    def __init__(self, client: Client, out: Console, model: str | None, system: str | None) -> None:
        self._client = client
        self._out = out
        self._model = model
        self._system = system
        self._found: list[str] = []
        self._new()

    def ask(self, text: str) -> None:
        """Ask and print the answer as it comes; Ctrl-C stops it, and what has come stays."""
        self._generate([*self._said, {"role": "user", "content": text}])

    def command(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        doing: dict[str, Callable[[str], None]] = {
            "/good": lambda rest: self._opinion(rating=1),
            "/bad": lambda rest: self._opinion(rating=-1, **({"comment": rest} if rest else {})),
            "/fix": self._fix,
            "/again": lambda rest: self._again(),
            "/model": self._choose_model,
            "/system": self._set_system,
            "/new": lambda rest: self._new(),
            "/list": self._list,
            "/open": self._open,
            "/help": lambda rest: self._help(),
        }
        if verb not in doing:
            raise FeilunError(
                f"There is no {verb}; /help shows what there is.", f"没有 {verb}；输入 /help 查看可用命令。"
            )
        doing[verb](rest.strip())

    def open_last(self) -> None:
        self._list("", quiet=True)
        if self._found:
            self._open("1")

    def _generate(self, said: list[dict[str, Any]]) -> None:
        """Have the messages ``said`` answered; they become the conversation once the server has taken them."""
        system = [{"role": "system", "content": self._system}] if self._system else []
        wire = [
            {name: value for name, value in message.items() if name in WIRE and value} for message in said
        ]
        body: dict[str, Any] = {"messages": system + wire}
        if self._model:
            body["model"] = self._model
        if self._conversation:
            stored = [message["id"] for message in said if message.get("id")]
            body["metadata"] = {
                "conversation_id": self._conversation,
                **({"parent_id": stored[-1]} if stored else {}),
            }
        answer: dict[str, Any] = {"role": "assistant", "content": ""}
        stream = self._client.stream(body)
        try:
            for chunk in stream:
                if "id" not in answer:
                    answer["id"] = chunk["id"]
                    said[-1] = {**said[-1], "id": chunk["parent_id"]}
                    self._conversation = chunk["conversation_id"]
                    self._said = [*said, answer]
                piece = chunk["choices"][0]["delta"].get("content") if chunk["choices"] else None
                if piece:
                    answer["content"] += piece
                    self._out.file.write(printable(piece))
                    self._out.file.flush()
        except KeyboardInterrupt:
            self._out.print(say(" [stopped]", " [已停止]"), style="dim", end="")
        finally:
            stream.close()
        self._out.file.write("\n")

    def _opinion(self, **opinion: Any) -> None:
        answer = self._last_answer()
        self._client.request("POST", "/v1/feedback", {"message_id": answer["id"], **opinion})
        self._out.print(say("Kept, thank you.", "已保存，谢谢。"), style="dim")

    def _fix(self, text: str) -> None:
        if not text:
            from prompt_toolkit import PromptSession

            hint = say("The right answer (Esc Enter ends): ", "正确的回答（Esc Enter 结束）：")
            shown = self._last_answer()["content"]
            try:
                text = PromptSession[str]().prompt(hint, multiline=True, default=shown).strip()
            except (EOFError, KeyboardInterrupt):
                return  # it leaves the correction, not the chat
        if text:
            self._opinion(correction=text)

    def _last_answer(self) -> dict[str, Any]:
        if not self._said or self._said[-1]["role"] != "assistant":
            raise FeilunError("There is no answer yet.", "还没有回答。")
        return self._said[-1]

    def _again(self) -> None:
        self._last_answer()
        self._generate(self._said[:-1])

    def _choose_model(self, name: str) -> None:
        models = self._client.request("GET", "/v1/models")["data"]
        names = [model["id"] for model in models]
        if not name:
            current = self._model or names[0]
            for known in names:
                self._out.print(f"{'*' if known == current else ' '} {known}", markup=False)
            return
        if name not in names:
            raise FeilunError(
                f"There is no model '{name}': {', '.join(names)}", f"没有模型“{name}”：{', '.join(names)}"
            )
        self._model = name
        self._out.print(say(f"{name} answers from now on.", f"此后由 {name} 回答。"), style="dim")

    def _set_system(self, text: str) -> None:
        if text:
            self._system = text
        self._out.print(self._system or say("(none)", "（无）"), style="dim", markup=False)

    def _new(self) -> None:
        self._said: list[dict[str, Any]] = []
        """The messages of this branch, each with its id."""
        self._conversation: str | None = None

    def _list(self, words: str, quiet: bool = False) -> None:
        query = QueryParams(q=words, limit="20")
        rows = self._client.request("GET", f"/api/conversations?{query}")["data"]
        self._found = [row["id"] for row in rows]
        for number, row in enumerate([] if quiet else rows, 1):
            self._out.print(f"{number:3} {printable(row['title'])}", markup=False)

    def _open(self, number: str) -> None:
        if not number.isdecimal() or not 1 <= int(number) <= len(self._found):
            raise FeilunError(
                "Say /list first, then /open with a number of it.", "请先输入 /list，再用 /open 加编号。"
            )
        conversation = self._client.request("GET", f"/api/conversations/{self._found[int(number) - 1]}")
        by_id = {message["id"]: message for message in conversation["messages"]}
        path: list[dict[str, Any]] = []
        at = by_id.get(conversation["leaf_id"])
        while at is not None:
            path.append(at)
            at = by_id.get(at["parent_id"])
        self._new()
        self._conversation = conversation["id"]
        self._said = path[::-1]
        written: dict[str, Any] = (
            path[0]["params"] or {} if path else {}
        )  # the newest: what wrote the last answer
        self._system = written.get("system", self._system)
        for message in self._said:
            mark = "> " if message["role"] == "user" else ""
            self._out.print(mark + printable(message["content"]), markup=False)

    def _help(self) -> None:
        for verb, (argument, what) in VERBS.items():
            self._out.print(f"{verb} {argument}".ljust(16) + str(what), markup=False)
