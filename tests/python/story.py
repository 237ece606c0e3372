"""A shop's clients while its orders change: producers and consumers of both versions, as confluent-kafka-python has them.

    story.py produce BOOTSTRAP REGISTRY TOPIC VERSION FIRST     orders FIRST, FIRST + 2, … until a signal
    story.py consume BOOTSTRAP REGISTRY TOPIC GROUP             until a signal; what was handled is committed then
    story.py move BOOTSTRAP REGISTRY TOPIC GROUP WHERE          sets a group's offsets, as kafka-consumer-groups does:
                                                                `end`, milliseconds since 1970, or 0=OFFSET,1=…

Each order that was written or handled is a line of JSON.
"""

import json
import signal
import sys
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMAS = Path(__file__).parent
PAUSE = 0.025
LIMIT = 30
stopped = False


def stop(*_):
    global stopped
    stopped = True


def order(version, number):
    customer = f"customer {number % 14}"
    placed = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=number)
    if version == "1":
        return {"id": number, "customer": customer, "total": number + 0.25, "placed": placed}
    total, coupon = Decimal(number) + Decimal("0.25"), f"coupon {number}"
    return {"id": str(number), "customer": {"name": customer}, "total": total, "coupon": coupon, "placed": placed}


def say(**line):
    def plain(value):
        return str(value) if isinstance(value, Decimal) else round(value.timestamp() * 1000)

    print(json.dumps(line, default=plain), flush=True)


def produce(bootstrap, registry, topic, version, first):
    schema = (SCHEMAS / f"order-v{version}.avsc").read_text()
    serializer = AvroSerializer(SchemaRegistryClient({"url": registry}), schema)
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    context = SerializationContext(topic, MessageField.VALUE)
    number = int(first)

    def written(number):
        return lambda error, _: sys.exit(str(error)) if error else say(number=number, version=version)

    while not stopped:
        value = serializer(order(version, number), context)
        producer.produce(topic, key=f"customer {number % 14}", value=value, on_delivery=written(number))
        producer.poll(0)
        time.sleep(PAUSE)
        number += 2
    if producer.flush(LIMIT):
        sys.exit("not all orders were written")


def consumer(bootstrap, group):
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )


def consume(bootstrap, registry, topic, group):
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    context = SerializationContext(topic, MessageField.VALUE)
    member = consumer(bootstrap, group)
    member.subscribe([topic])
    handled = 0
    while not stopped:
        message = member.poll(0.1)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        if message.value() is None:
            continue
        names = [name for name, _ in message.headers() or []]
        say(
            schema=int.from_bytes(message.value()[1:5], "big"),
            order=deserializer(message.value(), context),
            key=message.key().decode(),
            partition=message.partition(),
            time=message.timestamp()[1],
            converted="sluice.converted.from" in names,
        )
        handled += 1
    if handled:
        member.commit(asynchronous=False)
    member.close()


def move(bootstrap, _registry, topic, group, where):
    member = consumer(bootstrap, group)
    partitions = member.list_topics(topic, LIMIT).topics[topic].partitions
    if where == "end":
        offsets = []
        for partition in partitions:
            _, end = member.get_watermark_offsets(TopicPartition(topic, partition), LIMIT)
            offsets.append(TopicPartition(topic, partition, end))
    elif "=" in where:
        places = (place.split("=") for place in where.split(","))
        offsets = [TopicPartition(topic, int(partition), int(offset)) for partition, offset in places]
    else:
        offsets = member.offsets_for_times([TopicPartition(topic, partition, int(where)) for partition in partitions], LIMIT)
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            # A coordinator that has just been asked for the first time may not know the group yet.
            member.commit(offsets=offsets, asynchronous=False)
            break
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    member.close()


signal.signal(signal.SIGTERM, stop)
{"produce": produce, "consume": consume, "move": move}[sys.argv[1]](*sys.argv[2:])
