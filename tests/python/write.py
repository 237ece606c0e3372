"""Writes orders as a producer of confluent-kafka-python does: the serializer registers the schema by itself.

Arguments: bootstrap servers, user, password, registry URL, topic, number of orders. Prints each order as a JSON line.
One record in ten is written past the serializer, as text: what a gate is for.
"""

import json
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMA = """
{
  "type": "record",
  "name": "Order",
  "namespace": "shop",
  "fields": [
    {"name": "id", "type": "long"},
    {"name": "customer", "type": "string"},
    {"name": "note", "type": ["null", "string"], "default": null},
    {"name": "prices", "type": {"type": "map", "values": "double"}}
  ]
}
"""


def main(bootstrap, user, password, registry, topic, count):
    serializer = AvroSerializer(SchemaRegistryClient({"url": registry}), SCHEMA)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "enable.idempotence": True,
        }
    )
    context = SerializationContext(topic, MessageField.VALUE)
    for number in range(int(count)):
        order = {
            "id": number,
            "customer": f"Zoë {number % 7}",
            "note": None if number % 3 else f"note {number}",
            "prices": {"net": number * 0.5, "gross": number * 0.6},
        }
        good = number % 10 != 9
        value = serializer(order, context) if good else json.dumps(order).encode()
        producer.produce(topic, key=f"customer-{number % 7}", value=value, headers=[("number", str(number))])
        producer.poll(0)
        print(json.dumps({"good": good, "order": order}))
    unsent = producer.flush(30)
    if unsent:
        sys.exit(f"{unsent} records were not written")


main(*sys.argv[1:])
