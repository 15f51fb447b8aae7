"""The template before the linters that know AWS; all of them work offline."""

import json
import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from local.template.intrinsics import load_yaml
from tests.deployed import deployed
from tests.needing import PROJECT, needed

pytestmark = pytest.mark.xdist_group("lint")

EXCEPTIONS = tomllib.loads(Path(__file__).with_name("checkov.toml").read_text(encoding="utf-8"))
ALLOWED = {(check, resource) for check, kept in EXCEPTIONS.items() for resource in kept["resources"]}

# Check and logical id, to what checkov says of it.
Findings = dict[tuple[str, str], str]


def test_cfn_lint_finds_nothing() -> None:
    said = run(Path(sys.executable).with_name("cfn-lint"), "template.yaml")
    assert said.returncode == 0, said.stdout + said.stderr


def test_sam_finds_it_valid() -> None:
    with needed() as tools:
        sam = tools.sam
    said = run(sam, "validate", "--lint", "--template", "template.yaml")
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Of the template as it is written and as SAM deploys it."""
    folder = tmp_path_factory.mktemp("checkov")
    with needed() as tools:
        checkov = tools.checkov
    (folder / "deployed.json").write_text(json.dumps({**template(), "Resources": deployed()["Resources"]}))
    files = ("-f", PROJECT / "template.yaml", "-f", folder / "deployed.json")
    options = ("--framework", "cloudformation", "--compact", "--quiet", "--skip-download", "--soft-fail")
    said = run(checkov, *files, *options, "--output", "json", cwd=folder)
    assert said.returncode == 0, said.stderr
    report = json.loads(said.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0
    return {
        (failed["check_id"], failed["resource"].rpartition(".")[2]): failed["check_name"]
        for failed in report["results"]["failed_checks"]
    }


def test_checkov_finds_nothing_but_what_stays_for_a_reason(findings: Findings) -> None:
    unexpected = [
        f"{check} {resource}: {name}"
        for (check, resource), name in findings.items()
        if not any(covers(one, (check, resource)) for one in ALLOWED)
    ]
    assert not unexpected, "\n".join(["mend it, or say in checkov.toml why it stays:", *unexpected])


@pytest.mark.parametrize("allowed", sorted(ALLOWED), ids=" ".join)
def test_an_exception_is_still_needed(allowed: tuple[str, str], findings: Findings) -> None:
    assert any(covers(allowed, found) for found in findings), "checkov.toml holds more than it must"


def test_every_queue_is_encrypted() -> None:
    """What the exception for CKV_AWS_27 rests on."""
    queues = [
        one["Properties"] for one in template()["Resources"].values() if one["Type"] == "AWS::SQS::Queue"
    ]
    assert queues
    assert all(queue.get("SqsManagedSseEnabled") is True for queue in queues)


def covers(allowed: tuple[str, str], found: tuple[str, str]) -> bool:
    return allowed[0] == found[0] and fnmatchcase(found[1], allowed[1])


def template() -> dict[str, Any]:
    return load_yaml((PROJECT / "template.yaml").read_text())


def run(*command: str | Path, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    # Without a region of the machine's own, and without its configuration.
    environment = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1", "SAM_CLI_TELEMETRY": "0"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
