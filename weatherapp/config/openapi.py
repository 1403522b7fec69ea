"""What the OpenAPI document says that views need not repeat."""

from typing import Any

PROBLEMS = {"#/components/schemas/Problem", "#/components/schemas/NoBundle"}
PROBLEM_TYPE = "application/problem+json"
PLAIN_TYPE = "application/json"


def name_problem_types(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Give answers that are problem documents their media type (RFC 9457)."""
    for methods in result["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                if content.get(PLAIN_TYPE, {}).get("schema", {}).get("$ref") in PROBLEMS:
                    content[PROBLEM_TYPE] = content.pop(PLAIN_TYPE)
    return result


def let_alternatives_overlap(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Say `anyOf` of answers that are one of several: a catalog that offers nothing is an overview too."""
    for schema in result["components"]["schemas"].values():
        if "oneOf" in schema:
            schema["anyOf"] = schema.pop("oneOf")
    return result
