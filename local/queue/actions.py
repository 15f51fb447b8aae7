"""The actions of SQS: each takes a `Call` and gives the answer's JSON."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.queue.parameters import Parameters
from local.queue.rules import (
    ACCOUNT,
    MAXIMUM_VISIBILITY,
    SETTABLE,
    InvalidAttributeNameError,
    InvalidParameterValueError,
    QueueError,
    QueueNameExistsError,
    check_characters,
    described,
    md5_of_attributes,
    settings,
)
from local.queue.store import Message, Queue, QueueStore

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its parameters, and the address it came to, of which queue URLs are made."""

    store: QueueStore
    parameters: Parameters
    address: str

    @property
    def queue(self) -> Queue:
        return self.store.get(self.parameters.text("QueueUrl").rsplit("/", 1)[-1])

    def url(self, name: str) -> str:
        return f"{self.address}/{ACCOUNT}/{name}"


def _create_queue(call: Call) -> Answer:
    name, attributes = call.parameters.text("QueueName"), call.parameters.text_map("Attributes")
    _check_dead_letter_queue(call.store, attributes)
    existing = call.store.find(name)
    if existing is None:
        call.store.create(name, attributes)
    elif not attributes.items() <= described(existing.configuration()).items():
        raise QueueNameExistsError(f"A queue named {name!r} exists with other attributes.")
    return {"QueueUrl": call.url(name)}


def _delete_queue(call: Call) -> Answer:
    call.store.remove(call.queue.name)
    return {}


def _get_queue_url(call: Call) -> Answer:
    return {"QueueUrl": call.url(call.store.get(call.parameters.text("QueueName")).name)}


def _list_queues(call: Call) -> Answer:
    prefix = call.parameters.optional_text("QueueNamePrefix")
    after = call.parameters.optional_text("NextToken")
    names = [name for name in call.store.names() if name.startswith(prefix) and name > after]
    page = names[: call.parameters.number("MaxResults", 1, 1000) or 1000]
    more = {"NextToken": page[-1]} if len(page) < len(names) and "MaxResults" in call.parameters else {}
    return {"QueueUrls": [call.url(name) for name in page], **more}


def _get_queue_attributes(call: Call) -> Answer:
    wanted, attributes = call.parameters.texts("AttributeNames"), call.queue.attributes()
    for name in wanted:
        if name not in attributes.keys() | SETTABLE | {"All"}:
            raise InvalidAttributeNameError(f"Unknown Attribute {name}.")
    return {"Attributes": _wanted(attributes, wanted)}


def _set_queue_attributes(call: Call) -> Answer:
    queue, attributes = call.queue, call.parameters.text_map("Attributes")
    _check_dead_letter_queue(call.store, attributes)
    queue.configure(queue.configuration() | attributes)
    return {}


def _check_dead_letter_queue(store: QueueStore, attributes: Mapping[str, str]) -> None:
    target = settings({name: value for name, value in attributes.items() if value}).dead_letter_queue
    if target and store.find(target) is None:
        raise InvalidParameterValueError(
            f"Value {attributes['RedrivePolicy']} for parameter RedrivePolicy is invalid. "
            "Reason: Dead letter target does not exist."
        )


def _send_message(call: Call) -> Answer:
    return _send(call.queue, call.parameters)


def _send_message_batch(call: Call) -> Answer:
    call.parameters.check_batch_size()
    return _batch(call, _send)


def _send(queue: Queue, parameters: Parameters) -> Answer:
    attributes, system = parameters.map("MessageAttributes"), parameters.map("MessageSystemAttributes")
    sent = queue.send(
        parameters.text("MessageBody"),
        delay_seconds=parameters.number("DelaySeconds", 0, 900),
        message_attributes=attributes,
        trace_header=_trace_header(system),
    )
    answer = {"MessageId": sent.id, "MD5OfMessageBody": sent.md5_of_body}
    answer |= {"MD5OfMessageAttributes": md5_of_attributes(attributes)} if attributes else {}
    return answer | ({"MD5OfMessageSystemAttributes": md5_of_attributes(system)} if system else {})


def _trace_header(system: Mapping[str, Any]) -> str | None:
    if not system:
        return None
    if system.keys() != {"AWSTraceHeader"}:
        raise InvalidParameterValueError("AWSTraceHeader is the only message system attribute.")
    header = Parameters(system["AWSTraceHeader"]).text("StringValue")
    check_characters(header)
    return header


async def _receive_message(call: Call) -> Answer:
    queue, parameters = call.queue, call.parameters
    wait = parameters.number("WaitTimeSeconds", 0, 20)
    messages = await queue.receive(
        parameters.number("MaxNumberOfMessages", 1, 10) or 1,
        queue.settings.wait if wait is None else wait,
        parameters.number("VisibilityTimeout", 0, MAXIMUM_VISIBILITY),
    )
    return {"Messages": [_received(message, parameters) for message in messages]} if messages else {}


def _received(message: Message, parameters: Parameters) -> Answer:
    system = parameters.texts("AttributeNames") + parameters.texts("MessageSystemAttributeNames")
    wanted = _wanted(message.message_attributes, parameters.texts("MessageAttributeNames"))
    answer: Answer = {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": message.body,
    }
    if attributes := _wanted(message.attributes, system):
        answer["Attributes"] = attributes
    if wanted:
        answer |= {"MessageAttributes": wanted, "MD5OfMessageAttributes": md5_of_attributes(wanted)}
    return answer


def _wanted(attributes: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    if {"All", ".*"} & set(names):
        return dict(attributes)
    prefixes = tuple(name.removesuffix(".*") for name in names if name.endswith(".*"))
    return {name: value for name, value in attributes.items() if name in names or name.startswith(prefixes)}


def _delete_message(call: Call) -> Answer:
    return _delete(call.queue, call.parameters)


def _delete_message_batch(call: Call) -> Answer:
    return _batch(call, _delete)


def _delete(queue: Queue, parameters: Parameters) -> Answer:
    queue.delete(parameters.text("ReceiptHandle"))
    return {}


def _change_message_visibility(call: Call) -> Answer:
    return _change(call.queue, call.parameters)


def _change_message_visibility_batch(call: Call) -> Answer:
    return _batch(call, _change)


def _change(queue: Queue, parameters: Parameters) -> Answer:
    seconds = parameters.number("VisibilityTimeout", 0, MAXIMUM_VISIBILITY)
    if seconds is None:
        parameters.text("VisibilityTimeout")
    queue.change_visibility(parameters.text("ReceiptHandle"), seconds or 0)
    return {}


def _batch(call: Call, act: Callable[[Queue, Parameters], Answer]) -> Answer:
    """Each entry succeeds or fails by itself; one commit holds them all."""
    queue, successful, failed = call.queue, [], []
    with call.store.transaction():
        for entry_id, entry in call.parameters.entries().items():
            try:
                successful.append({"Id": entry_id, **act(queue, entry)})
            except QueueError as error:
                refusal = {"Code": error.code, "Message": str(error), "SenderFault": error.status < 500}
                failed.append({"Id": entry_id, **refusal})
    return {"Successful": successful} | ({"Failed": failed} if failed else {})


def _purge_queue(call: Call) -> Answer:
    call.queue.purge()
    return {}


ACTIONS: dict[str, Callable[[Call], Answer | Awaitable[Answer]]] = {
    "CreateQueue": _create_queue,
    "DeleteQueue": _delete_queue,
    "GetQueueUrl": _get_queue_url,
    "ListQueues": _list_queues,
    "GetQueueAttributes": _get_queue_attributes,
    "SetQueueAttributes": _set_queue_attributes,
    "SendMessage": _send_message,
    "SendMessageBatch": _send_message_batch,
    "ReceiveMessage": _receive_message,
    "DeleteMessage": _delete_message,
    "DeleteMessageBatch": _delete_message_batch,
    "ChangeMessageVisibility": _change_message_visibility,
    "ChangeMessageVisibilityBatch": _change_message_visibility_batch,
    "PurgeQueue": _purge_queue,
}
