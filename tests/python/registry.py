"""Uses a registry as applications do: register, look up, read, evolve, delete; serializers; rules; the legacy client.

Arguments: the registry's URL and a name that nobody else uses. Ends with an error where an answer is not as expected.
"""

import sys
import warnings

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.schema_registry_client import (
    ConfigCompatibilityLevel,
    Metadata,
    MetadataProperties,
    Rule,
    RuleKind,
    RuleMode,
    RuleParams,
    RuleSet,
    ServerConfig,
)
from confluent_kafka.serialization import MessageField, SerializationContext

url, name = sys.argv[1:]
V1 = '{"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "id", "type": "long"}]}'
V2 = V1.replace("}]}", '}, {"name": "note", "type": "string", "default": ""}]}')
BAD = V1.replace('"long"', '"string"')


def refused(code, call, *arguments):
    try:
        answer = call(*arguments)
    except SchemaRegistryError as error:
        assert error.error_code == code, f"{error.error_code} instead of {code}: {error}"
        return error
    raise AssertionError(f"{answer} instead of {code}")


client = SchemaRegistryClient({"url": url})
subject = f"{name}-value"

# Registering, looking up, reading.
one = client.register_schema(subject, Schema(V1, "AVRO"))
assert client.register_schema(subject, Schema(V1, "AVRO")) == one
assert SchemaRegistryClient({"url": url}).register_schema(subject, Schema(V1, "AVRO")) == one
two = client.register_schema_full_response(subject, Schema(V2, "AVRO"))
assert two.version == 2 and two.schema_id > one and two.guid
assert client.lookup_schema(subject, Schema(V2, "AVRO")).version == 2
assert client.get_latest_version(subject).version == 2
assert client.get_versions(subject) == [1, 2]
assert subject in client.get_subjects()
assert subject in client.get_subjects_by_schema_id(one)
assert [(place.subject, place.version) for place in client.get_schema_versions(one)] == [(subject, 1)]
assert '"long"' in client.get_schema(one).schema_str
fresh = SchemaRegistryClient({"url": url})
assert fresh.get_schema_by_guid(two.guid).schema_str == fresh.get_schema(two.schema_id).schema_str
assert "AVRO" in client.get_schema_types()
refused(40401, client.get_latest_version, f"{name}-none")
refused(40403, client.get_schema, 1_000_000)
refused(42201, client.register_schema, subject, Schema("{}", "AVRO"))

# Compatibility and configuration.
refused(409, client.register_schema, subject, Schema(BAD, "AVRO"))
assert client.test_compatibility(subject, Schema(V2, "AVRO"))
assert not client.test_compatibility(subject, Schema(BAD, "AVRO"))
client.set_compatibility(subject, "NONE")
assert client.get_compatibility(subject) == "NONE"
three = client.register_schema(subject, Schema(BAD, "AVRO"))
client.delete_version(subject, 3)
client.delete_version(subject, 3, permanent=True)
refused(40403, SchemaRegistryClient({"url": url}).get_schema, three)
client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.FULL, compatibility_group="major"))
assert client.get_config(subject).compatibility_group == "major"
assert client.update_mode(subject, "READONLY") in ("READONLY", None) or client.get_mode(subject) == "READONLY"
refused(42205, client.register_schema, subject, Schema(BAD, "AVRO"))
client.delete_mode(subject)

# References, metadata and rules are stored as they came.
client.register_schema(f"{name}-city", Schema('{"type": "enum", "name": "shop.City", "symbols": ["ROME"]}', "AVRO"))
reference = SchemaReference(name="shop.City", subject=f"{name}-city", version=1)
rule = Rule("check", "ids count up", RuleKind.CONDITION, RuleMode.WRITE, "CEL", ["PII"], RuleParams({"a": "b"}),
            "message.id > 0", None, "DLQ", False)
contract = Schema(
    '{"type": "record", "name": "shop.Place", "fields": [{"name": "city", "type": "shop.City"}]}', "AVRO", [reference],
    Metadata(None, MetadataProperties({"owner": "team"}), None), RuleSet(None, [rule], None),
)
client.register_schema(f"{name}-place", contract)
stored = client.get_latest_version(f"{name}-place").schema
assert stored.references[0].subject == f"{name}-city"
assert stored.metadata.properties.properties["owner"] == "team"
found = stored.rule_set.domain_rules[0]
assert (found.name, found.expr, found.on_failure, found.tags) == ("check", "message.id > 0", "DLQ", ["PII"])
assert client.get_latest_with_metadata(f"{name}-place", {"owner": "team"}).version == 1
assert client.get_referenced_by(f"{name}-city", 1)
refused(42206, client.delete_subject, f"{name}-city")

# Serializers: what one writes, the other reads.
context = SerializationContext(name, MessageField.VALUE)
order = {"id": 7, "note": "seven"}
data = AvroSerializer(client, V2)(order, context)
assert data[0] == 0 and int.from_bytes(data[1:5], "big") == two.schema_id
assert AvroDeserializer(SchemaRegistryClient({"url": url}))(data, context) == order

# Deleting.
assert client.delete_subject(subject) == [1, 2]
assert client.delete_subject(subject, permanent=True) == [1, 2]
refused(40401, SchemaRegistryClient({"url": url}).get_versions, subject)

# The client that applications of old use.
warnings.simplefilter("ignore")
from confluent_kafka import avro  # noqa: E402
from confluent_kafka.avro.cached_schema_registry_client import CachedSchemaRegistryClient  # noqa: E402

legacy = CachedSchemaRegistryClient({"url": url})
schema = avro.loads(V1)
number = legacy.register(f"{name}-legacy", schema)
assert CachedSchemaRegistryClient({"url": url}).get_by_id(number) is not None
assert legacy.get_latest_schema(f"{name}-legacy")[2] == 1
assert legacy.test_compatibility(f"{name}-legacy", avro.loads(V2))
print("all as expected")
