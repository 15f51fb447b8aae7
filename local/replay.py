"""`make replay [STACK=name]`: calls `operate` until all is stored that was given up or refused and can be."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tqdm import tqdm

from local.machine import HOST

FUNCTION = "OperateFunction"
PATIENCE_SECONDS, PAUSE_SECONDS = 60.0, 2.0
SHOWN_REASONS = 5
# Longer than operate may run; a step that was begun must not be begun again beside itself.
_ONCE = Config(connect_timeout=5, read_timeout=70, retries={"total_max_attempts": 1})

Invoke = Callable[[Mapping[str, Any]], dict[str, Any]]


class ReplayError(Exception):
    """The replay can't go on; the message says why and what to do."""


def running_stack(url: str) -> Invoke:
    """The local one's function."""
    nobody = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "local"}
    client = boto3.client("lambda", endpoint_url=url, config=_ONCE, **nobody)
    advice = f"no stack answers at {url}: start it with `make run`, or set PORT"
    return lambda event: _invoke(client, FUNCTION, event, advice)


def deployed_stack(name: str) -> Invoke:
    """The function of a CloudFormation stack. Raises ReplayError where there is none."""
    try:
        cloudformation = boto3.client("cloudformation")
        found = cloudformation.describe_stack_resource(StackName=name, LogicalResourceId=FUNCTION)
        client = boto3.client("lambda", config=_ONCE)
    except (BotoCoreError, ClientError) as error:
        raise ReplayError(f"the stack {name} can't be asked: {error}") from None
    function = found["StackResourceDetail"]["PhysicalResourceId"]
    return lambda event: _invoke(client, function, event, f"{function} can't be called")


def _invoke(client: Any, function: str, event: Mapping[str, Any], advice: str) -> dict[str, Any]:
    try:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        found: dict[str, Any] = json.loads(answer["Payload"].read())
    except BotoCoreError as error:
        raise ReplayError(f"{advice} ({type(error).__name__})") from None
    except ClientError as error:
        raise ReplayError(f"{advice} ({error})") from None
    if "FunctionError" in answer:
        raise ReplayError(f"{found.get('errorMessage')}; the log says more")
    return found


def replay(invoke: Invoke, what: str, pause: Callable[[float], None]) -> tuple[int, Counter[str]]:
    """How many were replayed, and why the others stayed."""
    replayed, stayed, after = 0, Counter[str](), None
    with tqdm(desc=what.replace("_", " "), unit="") as bar:
        while True:
            step = _step(invoke, {"replay": what, "after": after}, pause)
            replayed += step["replayed"]
            stayed += Counter(step["stayed"])
            after = step["after"]
            done = replayed + stayed.total()
            bar.total = done + step["left"]
            bar.update(done - bar.n)
            if step["finished"]:
                return replayed, stayed


def _step(invoke: Invoke, event: Mapping[str, Any], pause: Callable[[float], None]) -> dict[str, Any]:
    """Done again while a part is away, as a step that was cut short only repeats what counts once."""
    waited = 0.0
    while True:
        step = invoke(event)
        if "unavailable" not in step:
            return step
        if waited >= PATIENCE_SECONDS:
            raise ReplayError(f"{step['unavailable']} (for {waited:.0f} seconds now): try again later")
        pause(PAUSE_SECONDS)
        waited += PAUSE_SECONDS


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        url = f"http://{HOST}:{environ.get('PORT') or '8000'}"
        invoke = deployed_stack(arguments[0]) if arguments else running_stack(url)
        sent_back, _ = replay(invoke, "dead_letters", time.sleep)
        replayed, stayed = replay(invoke, "quarantine", time.sleep)
    except ReplayError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 1
    print(_report(sent_back, replayed, stayed))
    return 0


def _report(sent_back: int, replayed: int, stayed: Counter[str]) -> str:
    if not sent_back + replayed + stayed.total():
        return "nothing is to be replayed: no message was given up, and quarantine is empty"
    lines = [
        f"{sent_back:,} messages were sent back to the queue; of quarantine {replayed:,} were stored,"
        f" {stayed.total():,} stayed"
    ]
    lines += [f"  {number:,} times: {reason}" for reason, number in stayed.most_common(SHOWN_REASONS)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
