"""Writes and reads orders with every serializer of confluent-kafka-python, keys with a schema of their own too.

Arguments: write or read, bootstrap servers, user, password, registry URL, the topics by style as JSON, number of orders.
The styles: `id` (SerializingProducer, schema ID before the bytes), `header` (GUID in `__key_schema_id` and
`__value_schema_id`), `guid` (GUID before the bytes), `legacy` (AvroProducer and AvroConsumer, what many still run).
Prints a JSON line per order: style, key, order, and whether it was written well. One in ten is not: its key is plain text,
or its value has a byte too many.
"""

import json
import sys
import time
import warnings

from confluent_kafka import DeserializingConsumer, Producer, SerializingProducer
from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

warnings.simplefilter("ignore")
from confluent_kafka import avro  # noqa: E402
from confluent_kafka.avro import AvroConsumer, AvroProducer  # noqa: E402

KEY = """{"type": "record", "name": "OrderKey", "fields": [{"name": "customer", "type": "string"}]}"""
VALUE = """{"type": "record", "name": "PlacedOrder", "fields": [
  {"name": "id", "type": "long"},
  {"name": "customer", "type": "string"},
  {"name": "note", "type": ["null", "string"], "default": null}]}"""


def guid_before(payload, ctx, schema_id):
    return schema_id.guid_to_bytes() + payload


SERIALIZERS = {"id": {}, "header": {"schema.id.serializer": header_schema_id_serializer}, "guid": {"schema.id.serializer": guid_before}}


def record(number):
    customer = f"Zoë {number % 7}"
    return {"customer": customer}, {"id": number, "customer": customer, "note": None if number % 3 else "a note"}


def damaged(style, registry, topic, number, client):
    """Returns the bytes and headers of a record that no serializer would write."""
    key, value = record(number)
    conf = SERIALIZERS.get(style, {})
    headers = []
    context = lambda field: SerializationContext(topic, field, headers)
    key_bytes = AvroSerializer(registry, KEY, conf=conf or None)(key, context(MessageField.KEY))
    value_bytes = AvroSerializer(registry, VALUE, conf=conf or None)(value, context(MessageField.VALUE))
    if number % 20 == 9:
        key_bytes, headers = b"plain text", [header for header in headers if header[0] != "__key_schema_id"]
    else:
        value_bytes += b"\0"
    client.produce(topic, key=key_bytes, value=value_bytes, headers=headers)


def write(config, url, topics, count):
    registry = SchemaRegistryClient({"url": url})
    past = Producer(config)
    for style, topic in topics.items():
        if style == "legacy":
            producer = AvroProducer(
                {**config, "schema.registry.url": url},
                default_key_schema=avro.loads(KEY),
                default_value_schema=avro.loads(VALUE),
            )
        else:
            conf = SERIALIZERS[style] or None
            producer = SerializingProducer(
                {
                    **config,
                    "key.serializer": AvroSerializer(registry, KEY, conf=conf),
                    "value.serializer": AvroSerializer(registry, VALUE, conf=conf),
                }
            )
        for number in range(count):
            key, value = record(number)
            good = number % 10 != 9
            if good:
                headers = {} if style == "legacy" else {"headers": []}
                producer.produce(topic=topic, key=key, value=value, **headers)
            else:
                damaged(style, registry, topic, number, past)
            print(json.dumps({"good": good, "style": style, "key": key, "order": value}))
        if producer.flush(30) or past.flush(30):
            sys.exit("not all records were written")


def read(config, url, topics, count):
    registry = SchemaRegistryClient({"url": url})
    config = {**config, "isolation.level": "read_committed", "auto.offset.reset": "earliest"}
    for style, topic in topics.items():
        group = {"group.id": f"readers-of-{topic}"}
        if style == "legacy":
            consumer = AvroConsumer({**config, **group, "schema.registry.url": url})
        else:
            deserializers = {"key.deserializer": AvroDeserializer(registry), "value.deserializer": AvroDeserializer(registry)}
            consumer = DeserializingConsumer({**config, **group, **deserializers})
        consumer.subscribe([topic])
        seen, last = 0, time.monotonic()
        # A quiet second after the last one, so that a record too many would show.
        while time.monotonic() - last < (1 if seen >= count else 30):
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                sys.exit(str(message.error()))
            print(json.dumps({"style": style, "key": message.key(), "order": message.value()}))
            seen, last = seen + 1, time.monotonic()
        consumer.close()


def main(verb, bootstrap, user, password, url, topics, count):
    config = {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
    }
    {"write": write, "read": read}[verb](config, url, json.loads(topics), int(count))


main(*sys.argv[1:])
