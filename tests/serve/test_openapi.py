"""Whatever is sent to any operation of the API, the server does not fail."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, settings
from schemathesis.checks import not_a_server_error
from tests.support import Server

pytestmark = [pytest.mark.xdist_group("server"), pytest.mark.timeout(600)]


@pytest.fixture
def api(server: Server) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("api")


def search(examples: int, *, derandomize: bool) -> settings:
    return settings(
        max_examples=examples,
        derandomize=derandomize,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )


def curbed(body: Any) -> Any:
    """Short answers and few of them; what is not valid stays as it is."""
    if not isinstance(body, dict) or body.keys() & {"message_id", "input", "title"}:
        return body
    limits = ["max_tokens", "max_completion_tokens"] if "messages" in body else ["max_tokens"]
    for name in limits:
        if body.get(name) is None or (isinstance(body[name], int) and body[name] > 2):
            body[name] = 2
    if isinstance(body.get("prompt"), list):
        body["prompt"] = body["prompt"][:2]
    return body


def check(case: schemathesis.Case) -> None:
    case.body = curbed(case.body)
    case.call_and_validate(checks=[not_a_server_error])


@schema.parametrize()
@search(3, derandomize=True)
def test_no_input_makes_the_server_fail(case: schemathesis.Case) -> None:
    check(case)


@pytest.mark.slow
@schema.parametrize()
@search(400, derandomize=False)
def test_no_input_makes_the_server_fail_in_a_long_search(case: schemathesis.Case) -> None:
    check(case)
