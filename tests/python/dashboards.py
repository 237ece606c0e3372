"""Reads dashboards by the classes that Grafana publishes for its schema, writes them again, and tells what was lost on the way: a
misspelt key, a value of another type, a field of another version.

    dashboards.py FILE...

Prints a line for each loss; exit code 1 where there is one.
"""

import json
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

# Of annotations the schema has what all have. These are of the data source Prometheus.
OPEN = {"step", "textFormat", "titleFormat"}


def losses(before, after, path):
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if ".annotations.list[" in path and key in OPEN:
                continue
            if key in after:
                yield from losses(value, after[key], f"{path}.{key}")
            elif value not in (None, [], {}, "", False):
                yield f"{path}.{key}: {json.dumps(value)} is lost"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from losses(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {json.dumps(before)} becomes {json.dumps(after)}"


def main(files):
    plugins.register_default_plugins()
    found = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            before = json.load(text)
        after = json.loads(json.dumps(Dashboard.from_json(before), cls=JSONEncoder))
        found += losses(before, after, file)
    print("\n".join(found))
    sys.exit(1 if found else 0)


main(sys.argv[1:])
