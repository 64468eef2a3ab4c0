"""JSON Schema as TypeScript: the types that the page's scripts are checked against.

Every property is there, as pydantic writes defaults out. Covers what pydantic makes of frozen models of numbers, texts, lists and one another;
anything else is refused, so that no type says less than its schema.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = "// Written by `python -m headwise.report.html.schema docs` from the models of the page; edit those.\n"
PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def types_of(schema: Mapping[str, Any]) -> str:
    """The text of a `.d.ts` file: one interface for the schema and each of its definitions.

    Raises:
        ValueError: The schema says something that this module has no words for.
    """
    models = {**schema.get("$defs", {}), schema["title"]: schema}
    return "\n".join([HEADER, *(_interface(name, models[name]) for name in sorted(models))])


def _interface(name: str, model: Mapping[str, Any]) -> str:
    fields = [f"  {key}: {_type(value)};" for key, value in model["properties"].items()]
    about = [f" * {line}".rstrip() for line in model.get("description", name).splitlines()]
    return "\n".join(["/**", *about, " */", f"export interface {name} {{", *fields, "}", ""])


def _type(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": str(ref)}:
            return ref.rsplit("/", 1)[-1]
        case {"enum": list(values)}:
            return _either([json.dumps(value) for value in values])
        case {"const": value}:
            return json.dumps(value)
        case {"anyOf": list(options)}:
            return _either([_type(option) for option in options])
        case {"type": "array", "prefixItems": list(items)}:
            return f"[{', '.join(_type(item) for item in items)}]"
        case {"type": "array", "items": dict(item)}:
            return f"Array<{_type(item)}>"
        case {"type": str(name)} if name in PLAIN:
            return PLAIN[name]
        case _:
            raise ValueError(f"no TypeScript is known for {json.dumps(schema)}; add it to `_type`")


def _either(options: Sequence[str]) -> str:
    return " | ".join(dict.fromkeys(options))
