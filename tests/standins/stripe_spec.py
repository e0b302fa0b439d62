"""Holds requests, a JSON list of {method, path, params} on standard input, against Stripe's OpenAPI file, which
comes with the package seahaven-stripe-world: each parameter must be named there, and those that are required
must be sent. Prints {"problems": [...]}."""

import json
import re
import sys
from pathlib import Path

import seahaven_stripe_world


def spec():
    path = Path(seahaven_stripe_world.__file__).parent / "spec" / "spec3.json"
    return json.loads(path.read_text(encoding="utf-8"))


def operation(document, method, path):
    """The operation of a path that its pattern stands for; fixed paths first."""
    patterns = sorted(document["paths"], key=lambda pattern: pattern.count("{"))
    for pattern in patterns:
        shape = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(pattern))
        if re.fullmatch(shape, path) and method.lower() in document["paths"][pattern]:
            return document["paths"][pattern][method.lower()]
    return None


def resolved(document, schema):
    while "$ref" in schema:
        at = document
        for name in schema["$ref"].lstrip("#/").split("/"):
            at = at[name]
        schema = at
    return schema


def knows(document, schema, names):
    """Whether a schema has a parameter of these nested names."""
    schema = resolved(document, schema)
    if not names:
        return True
    first, rest = names[0], names[1:]
    if any(knows(document, one, names) for one in schema.get("anyOf", []) + schema.get("oneOf", [])):
        return True
    if schema.get("type") == "array":
        return (first == "" or first.isdigit()) and knows(document, schema["items"], rest)
    properties = schema.get("properties", {})
    if first in properties:
        return knows(document, properties[first], rest)
    more = schema.get("additionalProperties")
    return isinstance(more, dict) and knows(document, more, rest)


def check(document, request):
    method, path = request["method"], request["path"]
    found = operation(document, method, path)
    if found is None:
        return [f"{method} {path}: no such operation"]
    if method == "GET":
        listed = [resolved(document, one) for one in found.get("parameters", []) if one.get("in") == "query"]
        properties = {one["name"]: one["schema"] for one in listed}
        required = [one["name"] for one in listed if one.get("required")]
    else:
        content = found.get("requestBody", {}).get("content", {})
        schema = resolved(document, content.get("application/x-www-form-urlencoded", {}).get("schema", {}))
        properties, required = schema.get("properties", {}), schema.get("required", [])
    whole = {"type": "object", "properties": properties}
    problems = []
    sent = set()
    for name, _ in request["params"]:
        names = re.findall(r"[^\[\]]+", name)
        sent.add(names[0])
        if not knows(document, whole, names):
            problems.append(f"{method} {path}: {name} is no parameter")
    problems += [f"{method} {path}: {name} is missing" for name in required if name not in sent]
    return problems


def main():
    document = spec()
    problems = []
    for request in json.load(sys.stdin):
        problems += check(document, request)
    print(json.dumps({"problems": sorted(set(problems))}))


main()
