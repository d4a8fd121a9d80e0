"""The description of the API as one plain page, without scripts and without other servers."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code,pre{font:14px/1.4 ui-monospace,monospace}"
    "pre{overflow:auto;padding:1rem;border:1px solid #8886;border-radius:6px}"
    "h2 code{font-size:1.1rem}td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)


def api_page(description: Mapping[str, Any]) -> tuple[str, str]:
    """The page of an OpenAPI description, and the policy that lets its style sheet in."""
    parts = []
    for path, methods in description["paths"].items():
        parts += [_endpoint(path, method, what) for method, what in methods.items()]
    schemas = description.get("components", {}).get("schemas", {})
    parts += ["<h1>Types</h1>", *(_type(name, schema) for name, schema in schemas.items())]
    title = escape(description["info"]["title"])
    about = escape(description["info"].get("description", ""))
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{title}: API</h1><p>{about}</p>"
        f'<p><a href="/openapi.json">OpenAPI description</a></p>{"".join(parts)}</html>'
    )
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return text, f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"


def _endpoint(path: str, method: str, what: Mapping[str, Any]) -> str:
    rows = [
        (f"{p['name']} ({p['in']})", _short(p.get("schema", {})))
        for p in what.get("parameters", ())
    ]
    for kind, content in what.get("requestBody", {}).get("content", {}).items():
        rows.append((f"body: {kind}", _short(content.get("schema", {}))))
    for status, response in what.get("responses", {}).items():
        for content in response.get("content", {}).values():
            rows.append((f"answer {status}", _short(content.get("schema", {}))))
    cells = "".join(f"<tr><td><code>{escape(a)}</code><td>{b}" for a, b in rows)
    return (
        f"<section><h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p>{escape(what.get('description', ''))}</p><table>{cells}</table></section>"
    )


def _short(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    limits = [f"{key} {schema[key]}" for key in ("minimum", "maximum", "default") if key in schema]
    return escape(" ".join([str(schema.get("type", "")), *limits]))


def _type(name: str, schema: Mapping[str, Any]) -> str:
    text = json.dumps(schema, indent=1, ensure_ascii=False)
    return f'<h2 id="{escape(name)}"><code>{escape(name)}</code></h2><pre>{escape(text)}</pre>'
