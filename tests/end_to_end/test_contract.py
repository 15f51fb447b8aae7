"""The running API keeps to its contract, whatever is sent: Schemathesis makes requests, good and bad."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.local_stack import LocalStack
from tests.needing import needed

pytestmark = pytest.mark.xdist_group("stack")

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    "response_schema_conformance",
)
# Of each operation, of which there are some thirty; `HYPOTHESIS_PROFILE=thorough` sends thousands of each.
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
EXAMPLES = 2_000 if THOROUGH else 10


def test_every_answer_is_one_of_the_contracts(stack: LocalStack, tmp_path: Path) -> None:
    with needed() as tools:
        schemathesis = tools.schemathesis
    options = (
        *("--config-file", Path(__file__).with_name("schemathesis.toml"), "--no-color"),
        *("run", f"{stack.url}/openapi.json", "--phases", "examples,fuzzing", "--workers", "2"),
        *("--max-examples", str(EXAMPLES), "--checks", ",".join(CHECKS), "--continue-on-failure"),
        *("--suppress-health-check", "all", "--request-timeout", "20"),
        # What chance finds is for the thorough profile to find, not for somebody's commit.
        *(() if THOROUGH else ("--seed", "4")),
    )
    environment = {**os.environ, "SERVER_KEY": stack.local()["server_key"]}
    done = subprocess.run(
        [schemathesis, *options], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
    generated = re.search(r"([\d,]+) generated", done.stdout)
    assert generated
    assert int(generated[1].replace(",", "")) > 100
