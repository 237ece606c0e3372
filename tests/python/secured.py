"""Uses a registry over TLS with users: one who may write some subjects, one who may read them, and nobody.

Arguments: the registry's URL, the file of its authority, and for each user NAME:PASSWORD, the writer first.
"""

import sys

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

url, authority, writer, reader = sys.argv[1:]
ORDER = '{"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "id", "type": "long"}]}'


def client(user=None, ca=authority):
    settings = {"url": url}
    if ca:
        settings["ssl.ca.location"] = ca
    if user:
        settings["basic.auth.user.info"] = user
    return SchemaRegistryClient(settings)


def refused(status, code, call, *arguments):
    try:
        answer = call(*arguments)
    except SchemaRegistryError as error:
        assert (error.http_status_code, error.error_code) == (status, code), str(error)
        return
    raise AssertionError(f"{answer} instead of {status}")


# Registered by the serializer, as applications do it, and read by somebody else.
context = SerializationContext("orders", MessageField.VALUE)
data = AvroSerializer(client(writer), ORDER)({"id": 7}, context)
assert AvroDeserializer(client(reader))(data, context) == {"id": 7}
number = client(writer).register_schema("orders-value", Schema(ORDER, "AVRO"))
assert int.from_bytes(data[1:5], "big") == number
assert client(reader).get_latest_version("orders-value").schema_id == number

# Nobody does what they may not.
refused(403, 40301, client(reader).register_schema, "orders-value", Schema('"int"', "AVRO"))
refused(403, 40301, client(writer).register_schema, "bills-value", Schema(ORDER, "AVRO"))
refused(403, 40301, client(writer).delete_subject, "orders-value")
for wrong in [None, writer + "x", "somebody:else"]:
    refused(401, 401, client(wrong).get_schema, number)

# A server that the client has no reason to trust hears of no password.
try:
    client(writer, ca=None).get_schema(number)
except SchemaRegistryError:
    raise
except Exception as error:
    assert "CERTIFICATE_VERIFY_FAILED" in str(error), error
else:
    raise AssertionError("a server of an unknown authority was trusted")
print("all as expected")
