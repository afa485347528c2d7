"""What Lambda does between a queue and a function, and what SQS may do on the way: messages come in any order, and some of
them twice, also at the same time.

Whoever sends batches to the function here keeps to the rules of ReportBatchItemFailures: an answer that is no list of
identifiers of this batch fails the whole batch.
"""

import collections
import concurrent.futures
import json
import random

BATCH_MAX = 10
SEED = 20191012
ROUNDS_MAX = 20


class Poller:
    def __init__(self, sqs, queue_url, queue_arn, region, invoke, at_once):
        self.sqs, self.url, self.arn, self.region = sqs, queue_url, queue_arn, region
        self.invoke, self.at_once = invoke, at_once
        self.random = random.Random(SEED)
        self.calls = self.deliveries = self.again = 0
        self.broken = []  # answers that are not as they have to be
        self.failures = collections.Counter()  # body -> deliveries that the function could not do
        self.receives = collections.Counter()  # body -> how often the queue gave it out

    def run(self):
        """Until the queue is empty. Returns the number of rounds."""
        for number in range(1, ROUNDS_MAX + 1):
            messages = self.receive()
            if not messages:
                return number - 1
            deliveries = list(messages)
            if number == 1:
                deliveries += self.random.sample(messages, len(messages) // 3)
                self.again = len(deliveries) - len(messages)
            self.random.shuffle(deliveries)
            self.settle(messages, self.deliver(deliveries))
        return ROUNDS_MAX

    def receive(self):
        """Everything that is visible."""
        messages = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=BATCH_MAX, AttributeNames=["All"], MessageAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return messages
            messages += answer["Messages"]
            self.receives.update(message["Body"] for message in answer["Messages"])

    def deliver(self, messages):
        """Ids of the messages that every call failed which had them."""
        self.deliveries += len(messages)
        batches = []
        while messages:
            size = self.random.randint(1, BATCH_MAX)
            batch, messages = messages[:size], messages[size:]
            batches.append(list({message["MessageId"]: message for message in batch}.values()))
        with concurrent.futures.ThreadPoolExecutor(self.at_once) as pool:
            answers = list(pool.map(self.call, batches))
        done = {
            m["MessageId"] for batch, failed in zip(batches, answers) for m in batch if m["MessageId"] not in failed
        }
        return {m["MessageId"] for batch in batches for m in batch} - done

    def call(self, batch):
        """Ids of the messages of this batch that failed."""
        self.calls += 1
        everything = {message["MessageId"] for message in batch}
        status, answer = self.invoke(json.dumps({"Records": [self.record(message) for message in batch]}).encode())
        failed = identifiers(status, answer)
        if failed is None or not failed <= everything:
            self.broken.append(f"status {status} for {len(batch)} messages: {answer[:500]!r}")
            failed = everything
        self.failures.update(message["Body"] for message in batch if message["MessageId"] in failed)
        return failed

    def record(self, message):
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": self.region,
        }

    def settle(self, messages, failed):
        """Done ones go, others are visible again at once instead of after the visibility timeout."""
        for message in messages:
            of = {"QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] in failed:
                self.sqs.change_message_visibility(**of, VisibilityTimeout=0)
            else:
                self.sqs.delete_message(**of)


def identifiers(status, answer):
    """Of the messages that failed; nothing if this is no answer that Lambda takes for a partial failure or a success."""
    if status != 200:
        return None
    try:
        given = json.loads(answer)
        failures = given.get("batchItemFailures") or [] if given is not None else []
        found = {failure["itemIdentifier"] for failure in failures}
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    return found if all(isinstance(name, str) and name for name in found) else None
