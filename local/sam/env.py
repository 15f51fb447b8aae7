"""`python -m local.sam.env`: writes what `sam local invoke --env-vars` needs to reach the running stack."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from local.control.issuer import PATH as ISSUER_PATH
from local.keys import digest
from local.machine import HOST
from local.postgres.roles import let_all_in
from local.template.intrinsics import TemplateError
from local.template.model import ACCOUNT, Template
from local.template.parameters import parse_overrides
from local.template.reader import read_template

PROJECT = Path(__file__).parents[2]
TARGET = PROJECT / "env.json"
# What the samples of events/ carry.
SAMPLE_BROWSER_KEY, SAMPLE_SERVER_KEY = "sample-browser-key", "sample-server-key"


class NoStackError(Exception):
    """No stack answers; the message says where and what to do."""


def environments(template: Template, owner_url: str) -> dict[str, dict[str, str]]:
    """Each function's own environment by its logical id, connecting as its role where it can."""
    urls, _ = let_all_in(owner_url, template.rooms_roles)
    found = {name: dict(function.environment) for name, function in template.functions.items()}
    for name, environment in found.items():
        if "DATABASE_URL" in environment:
            environment["DATABASE_URL"] = urls.get(template.functions[name].database_role, owner_url)
    return found


def read_running(url: str, overrides: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The environments of the stack that answers at `url`. Raises NoStackError."""
    try:
        with urlopen(f"{url}/local", timeout=5) as answer:  # noqa: S310 - our own stack's
            facts: dict[str, str] = json.load(answer)
    except (URLError, OSError, ValueError):
        raise NoStackError(f"no stack answers at {url}: start it with `make run`, or set PORT") from None
    given = {
        "BrowserKeyHashes": f"{digest(facts['browser_key'])},{digest(SAMPLE_BROWSER_KEY)}",
        "ServerKeyHashes": f"{digest(facts['server_key'])},{digest(SAMPLE_SERVER_KEY)}",
        "JwtIssuer": f"{url}{ISSUER_PATH}",
    }
    queue_url = f"{facts['sqs_endpoint']}/{ACCOUNT}/{{}}".format
    template = read_template(PROJECT / "template.yaml", {**given, **overrides}, queue_url)
    return environments(template, facts["database_url"])


def write(path: Path, found: Mapping[str, Mapping[str, str]]) -> None:
    """Readable by its owner alone, as it holds the database's passwords."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(found, file, indent=2)
        file.write("\n")


def main(environ: Mapping[str, str]) -> int:
    url = f"http://{HOST}:{environ.get('PORT') or '8000'}"
    try:
        write(TARGET, read_running(url, parse_overrides(environ.get("PARAMETERS", ""))))
    except (NoStackError, TemplateError, OSError) as error:
        print(f"sam-env: {error}", file=sys.stderr)
        return 1
    print(
        f"wrote {TARGET.name}; after make build ARCHITECTURE=x86_64, or arm64, now for example\n"
        ".venvs/sam/bin/sam local invoke IngestFunction -e events/ingest_post_events.json"
        f" --env-vars {TARGET.name} --docker-network host"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
