"""Reads orders as a consumer of confluent-kafka-python does: committed records only, decoded by the registry's schema.

Arguments: bootstrap servers, user, password, registry URL, topic, number of orders to wait for. Prints each order as a
JSON line; a record that cannot be decoded ends it with an error, as it would a consumer behind no gate.
"""

import json
import sys
import time

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main(bootstrap, user, password, registry, topic, count):
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "group.id": f"readers-of-{topic}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    context = SerializationContext(topic, MessageField.VALUE)
    read, last = 0, time.monotonic()
    # A quiet second after the last one, so that a record too many would show.
    while time.monotonic() - last < (2 if read >= int(count) else 30):
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        print(json.dumps(deserializer(message.value(), context)))
        read, last = read + 1, time.monotonic()
    consumer.close()


main(*sys.argv[1:])
