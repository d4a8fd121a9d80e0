"""Every address of the service, with its errors, on drawn photos."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fake_searcher import COLORS, SCHEMA, FakeSearcher, drawn, feature_of, small_shop
from fastapi.testclient import TestClient
from PIL import Image

from flam_pl.errors import FlamError
from flam_pl.galleries.stored import Item
from flam_pl.serving.service import Options, create_app, serve

ADDRESS = "http://127.0.0.1"
Start = Callable[..., TestClient]


@pytest.fixture
def searcher(tmp_path: Path) -> FakeSearcher:
    return small_shop(tmp_path / "shop")


@pytest.fixture
def start(searcher: FakeSearcher, tmp_path: Path) -> Iterator[Start]:
    """Starts the service with options, and ends it after the test."""
    started: list[TestClient] = []

    def start_with(**options: Any) -> TestClient:
        app = create_app(searcher, Options(**{"folder": tmp_path / "served"} | options))
        started.append(TestClient(app, base_url=ADDRESS).__enter__())
        return started[-1]

    yield start_with
    for client in started:
        client.__exit__(None, None, None)


@pytest.fixture
def client(start: Start) -> TestClient:
    return start()


def code_of(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) == {"code", "message"} and error["message"]
    return response.status_code, error["code"]


def colors_of(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [hit["attributes"]["color"]["name"] for hit in response.json()["hits"]]


def search(client: TestClient, **body: Any) -> httpx.Response:
    return client.post("/v1/search", json=body)


def upload(client: TestClient, data: bytes) -> str:
    response = client.post("/v1/photos", content=data)
    assert response.status_code == 200, response.text
    return str(response.json()["photo"])


def test_the_attributes_and_columns_can_be_listed(client: TestClient) -> None:
    found = client.get("/v1/attributes").json()
    assert found["name"] == "drawn" and found["photos"] == 24
    assert {a["name"]: tuple(a["classes"]) for a in found["attributes"]} == SCHEMA.classes
    assert found["columns"] == [
        {"name": "gender", "kind": "text", "values": {"Women": 12, "Men": 12}},
        {"name": "price", "kind": "number", "values": None},
    ]


def test_the_catalogue_has_pages_and_filters(client: TestClient) -> None:
    first = client.get("/v1/items?limit=5").json()
    second = client.get("/v1/items?limit=5&offset=5").json()
    assert first["total"] == second["total"] == 24
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert len(set(ids)) == 10 and ids[0] == "red-plain-0"
    women = client.get("/v1/items?gender=Women&price=12..20").json()
    assert women["total"] == 5  # of 10, 12, ... 32: 12, 14, 16, 18, 20
    assert all(item["columns"]["gender"] == "Women" for item in women["items"])
    both = client.get("/v1/items?gender=Women&gender=Men&price=10").json()
    assert [item["id"] for item in both["items"]] == ["red-plain-0"]
    assert client.get("/v1/items?price=..11").json()["total"] == 2


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("size=3", (400, "bad_filter")),
        ("price=cheap", (400, "bad_filter")),
        ("price=nan", (400, "bad_filter")),
        ("price=..", (400, "bad_filter")),
        ("limit=0", (422, "invalid")),
        ("limit=201", (422, "invalid")),
        ("offset=-1", (422, "invalid")),
    ],
)
def test_a_wrong_page_of_the_catalogue_is_refused(
    client: TestClient, query: str, expected: tuple[int, str]
) -> None:
    assert code_of(client.get(f"/v1/items?{query}")) == expected


def test_an_item_has_its_attributes(client: TestClient) -> None:
    item = client.get("/v1/items/blue-striped-1").json()
    assert item["attributes"]["color"]["name"] == "blue"
    assert item["attributes"]["pattern"]["name"] == "striped"
    assert 0.5 < item["attributes"]["color"]["probability"] <= 1
    assert item["image"] == "/v1/items/blue-striped-1/image"
    assert code_of(client.get("/v1/items/none")) == (404, "unknown_item")


def test_a_thumbnail_is_small_and_known_by_its_tag(client: TestClient) -> None:
    response = client.get("/v1/items/red-plain-0/image?size=50")
    assert response.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.format == "JPEG" and max(image.size) == 64  # the next of the sizes
    again = {"If-None-Match": response.headers["etag"]}
    same = client.get("/v1/items/red-plain-0/image?size=50", headers=again)
    assert same.status_code == 304 and not same.content
    other = client.get("/v1/items/red-plain-1/image?size=50", headers=again)
    assert other.status_code == 200
    assert code_of(client.get("/v1/items/red-plain-0/image?size=0")) == (422, "invalid")


@pytest.mark.parametrize(
    "id", ["..%2f..%2fetc%2fpasswd", "%2Fetc%2Fpasswd", "..%5c..%5cboot.ini", "%00", "%ff", "a%2Fb"]
)
def test_a_hostile_id_is_an_unknown_item(client: TestClient, id: str) -> None:
    for address in (f"/v1/items/{id}", f"/v1/items/{id}/image"):
        assert code_of(client.get(address)) == (404, "unknown_item")
    for address in (f"/page/{id}", "/page/..%2f..%2f__init__.py", "/page/%2e%2e/service.py"):
        assert client.get(address).status_code == 404
    assert client.get(f"/v1/photos/{id}/image").status_code == 404


def test_only_files_below_a_root_are_shown(
    start: Start, searcher: FakeSearcher, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(drawn("red"))
    inside = tmp_path / "shop" / "link.png"
    inside.symlink_to(secret)
    assert searcher.gallery is not None
    item = searcher.gallery.fetch(["red-plain-0"])[0]
    for name, uri in (
        ("out", secret),
        ("link", inside),
        ("up", tmp_path / "shop" / ".." / "secret.png"),
        ("nul", "\0"),
        ("device", "/dev/zero"),
    ):
        searcher.gallery.add([replace(item, id=name, uri=str(uri), hash=name)])
    client = start(roots=(tmp_path / "shop",))
    assert client.get("/v1/items/red-plain-0/image").status_code == 200
    for name in ("out", "link", "up", "nul", "device"):
        response = client.get(f"/v1/items/{name}/image")
        assert code_of(response) == (404, "not_found") and str(tmp_path) not in response.text
    everything = start()  # as indexed
    assert everything.get("/v1/items/out/image").status_code == 200
    assert code_of(everything.get("/v1/items/device/image")) == (404, "not_found")


def test_a_photo_of_another_server_is_a_placeholder_or_a_redirect(
    start: Start, searcher: FakeSearcher
) -> None:
    assert searcher.gallery is not None
    item = searcher.gallery.fetch(["red-plain-0"])[0]
    searcher.gallery.add([replace(item, id="far", uri="https://cdn.example/1.jpg", hash="far")])
    shown = start().get("/v1/items/far/image")
    assert shown.status_code == 200 and shown.headers["content-type"].startswith("image/svg")
    sent = start(redirect=True).get("/v1/items/far/image", follow_redirects=False)
    assert sent.status_code == 307 and sent.headers["location"] == "https://cdn.example/1.jpg"


def test_an_upload_says_what_the_photo_is(client: TestClient) -> None:
    data = drawn("green", "striped", seed=50)
    raw = client.post("/v1/photos", content=data, headers={"Content-Type": "image/png"})
    form = client.post("/v1/photos", files={"photo": ("../../x.sh", data)})
    assert raw.status_code == 200 and raw.json()["photo"] == form.json()["photo"]
    assert raw.json()["attributes"]["color"]["name"] == "green"
    assert raw.json()["expires"] > time.time() + 3600
    image = client.get(f"/v1/photos/{raw.json()['photo']}/image")
    assert image.headers["content-type"] == "image/jpeg" and image.content[:3] == b"\xff\xd8\xff"
    assert code_of(client.get(f"/v1/photos/{'0' * 64}/image")) == (404, "not_found")
    assert code_of(client.post("/v1/photos", files={"file": data})) == (422, "invalid")
    broken = {"Content-Type": "multipart/form-data"}
    assert code_of(client.post("/v1/photos", content=b"x", headers=broken)) == (400, "invalid")


def test_a_search_finds_what_the_edit_wants(client: TestClient) -> None:
    assert colors_of(search(client, id="red-plain-0", limit=3)) == ["red"] * 3
    edits = [{"attribute": "color", "to": "blue"}]
    response = search(client, id="red-plain-0", edits=edits, limit=3, facets=["gender"])
    assert colors_of(response) == ["blue"] * 3
    found = response.json()
    assert found["query"]["attributes"]["color"]["name"] == "red"
    assert found["hits"][0]["met"] is True and found["hits"][0]["why"] == ["color: blue"]
    assert found["hits"][0]["uri"] is None and found["total"] == 24 and found["fits"] is True
    assert found["facets"] == {"gender": {"Women": 12, "Men": 12}}
    assert set(found["milliseconds"]) == {"decode", "network", "search", "all"}
    assert found["edits"] == [{"attribute": "color", "to": "blue", "like": None, "strength": 1.0}]
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_every_kind_of_query_photo_gives_the_same_answer(client: TestClient) -> None:
    data = drawn("green", "plain", seed=70)
    photo = upload(client, data)
    encoded = base64.b64encode(data).decode()
    body = {"edits": [{"attribute": "color", "to": "red"}], "limit": 4}
    answers = [
        search(client, photo=photo, **body).json(),
        search(client, image=encoded, **body).json(),
        search(client, image=f"data:image/png;base64,{encoded}", **body).json(),
        search(client, vector=feature_of(data).tolist(), **body).json(),
    ]
    ids = [[hit["id"] for hit in answer["hits"]] for answer in answers]
    assert ids[0] == ids[1] == ids[2] and len(ids[0]) == 4
    assert all(name.startswith("red-plain") for name in ids[0] + ids[3])


def test_edits_of_every_kind_are_understood(client: TestClient) -> None:
    photo = upload(client, drawn("blue", seed=80))
    edits = [
        {"attribute": "color", "like": {"photo": photo}},
        {"attribute": "pattern", "like": {"id": "green-striped-0"}, "strength": 0.9},
    ]
    response = search(client, id="red-plain-0", edits=edits, limit=4)
    assert {hit["id"][:12] for hit in response.json()["hits"]} == {"blue-striped"}
    understood = {edit["attribute"]: edit for edit in response.json()["edits"]}
    assert understood["color"]["like"] == {"photo": photo}
    assert understood["pattern"]["like"] == {"id": "green-striped-0"}
    mix = [{"attribute": "color", "to": {"green": 1, "blue": 3}}]
    response = search(client, id="red-plain-0", edits=mix, limit=4)
    assert colors_of(response) == ["blue"] * 4
    assert response.json()["edits"][0]["to"] == {"green": 1.0, "blue": 3.0}
    response = search(client, id="red-plain-0", text="in green, striped", limit=4)
    assert {hit["id"][:13] for hit in response.json()["hits"]} == {"green-striped"}
    assert [edit["to"] for edit in response.json()["edits"]] == ["green", "striped"]


def test_results_can_be_filtered_paged_and_cut_off(client: TestClient) -> None:
    edits = [{"attribute": "color", "to": "red"}]
    where = {"gender": ["Women"], "price": {"least": 20, "most": 30}}
    found = search(client, id="blue-plain-0", where=where, limit=50).json()
    assert found["total"] == 6 and len(found["hits"]) == 5  # without the query itself
    assert all(20 <= hit["columns"]["price"] <= 30 for hit in found["hits"])
    whole = search(client, id="blue-plain-0", edits=edits, limit=6).json()["hits"]
    second = search(client, id="blue-plain-0", edits=edits, limit=3, offset=3).json()["hits"]
    assert [hit["id"] for hit in second] == [hit["id"] for hit in whole[3:]]
    cut = search(client, id="blue-plain-0", edits=edits, least=0.5, explain=False).json()
    assert {hit["attributes"]["color"]["name"] for hit in cut["hits"]} == {"red"}
    assert all(hit["why"] == [] for hit in cut["hits"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "invalid")),
        ({"id": "red-plain-0", "photo": "0" * 64}, (422, "invalid")),
        ({"id": "red-plain-0", "surprise": 1}, (422, "invalid")),
        ({"id": "none"}, (404, "unknown_item")),
        ({"photo": "0" * 64}, (404, "not_found")),
        ({"photo": "../../etc/passwd"}, (422, "invalid")),
        ({"image": "no base64!"}, (415, "unreadable_image")),
        ({"image": base64.b64encode(b"<svg/>").decode()}, (415, "unreadable_image")),
        ({"vector": [1.0, 2.0]}, (400, "invalid")),
        ({"id": "red-plain-0", "edits": [{"attribute": "color", "to": "pink"}]}, (400, "bad_edit")),
        ({"id": "red-plain-0", "edits": [{"attribute": "size", "to": "red"}]}, (400, "bad_edit")),
        ({"id": "red-plain-0", "edits": [{"attribute": "color"}]}, (422, "invalid")),
        (
            {"id": "red-plain-0", "edits": [{"attribute": "color", "like": {"id": "none"}}]},
            (404, "unknown_item"),
        ),
        (
            {"id": "red-plain-0", "edits": [{"attribute": "color", "to": {"red": -1}}]},
            (422, "invalid"),
        ),
        ({"id": "red-plain-0", "text": "in mauve"}, (400, "bad_edit")),
        ({"id": "red-plain-0", "where": {"size": 3}}, (400, "bad_filter")),
        ({"id": "red-plain-0", "where": {"gender": {"least": 3}}}, (400, "bad_filter")),
        ({"id": "red-plain-0", "facets": ["size"]}, (400, "bad_filter")),
        ({"id": "red-plain-0", "limit": 1000}, (422, "invalid")),
        ({"id": "red-plain-0", "least": 2}, (422, "invalid")),
    ],
)
def test_a_wrong_search_is_refused(
    client: TestClient, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert code_of(search(client, **body)) == expected


def test_a_body_that_is_no_json_is_refused(client: TestClient) -> None:
    for body in (b"{", b"\xff\xfe", b"[" * 50_000, b'{"vector": [NaN]}', b'{"vector": [1e999]}'):
        headers = {"Content-Type": "application/json"}
        response = client.post("/v1/search", content=body, headers=headers)
        assert 400 <= response.status_code < 500 and code_of(response)[1] == "invalid"
    plain = client.post("/v1/search", content=b'{"id": "red-plain-0"}')
    assert code_of(plain) == (422, "invalid") and "Content-Type" in plain.text


def test_a_refusal_names_the_place(client: TestClient) -> None:
    edit = {"attribute": "color", "to": "red", "strength": 2}
    found = search(client, id="red-plain-0", edits=[edit]).json()["error"]["message"]
    assert found == "edits.0.strength: Input should be less than or equal to 1"
    found = search(client, id="red-plain-0", where={"price": True}).json()["error"]["message"]
    assert found.startswith("where.price: ") and ";" not in found
    found = search(client, id="red-plain-0", limit=0, offset=-1).json()["error"]["message"]
    assert found.startswith("limit: ") and "; offset: " in found


def test_an_item_can_be_put_replaced_and_deleted(
    client: TestClient, searcher: FakeSearcher, tmp_path: Path
) -> None:
    name = "/v1/items/new%2Fimage"  # an id with a slash
    columns = {"columns": '{"gender": "Women", "price": 5}', "uri": "https://shop.example/1"}
    response = client.put(name, files={"photo": drawn("green", seed=90)}, data=columns)
    assert response.status_code == 200, response.text
    assert response.json()["id"] == "new/image" and response.json()["image"] == f"{name}/image"
    assert client.get(name).json()["columns"] == {"gender": "Women", "price": 5}
    assert client.get("/health").json() == {"status": "ok", "photos": 25}
    assert client.get("/v1/attributes").json()["photos"] == 25
    first = client.get(f"{name}/image").content
    assert client.put(name, files={"photo": drawn("blue", seed=91)}).status_code == 200
    assert client.get(name).json()["attributes"]["color"]["name"] == "blue"
    assert client.get(f"{name}/image").content != first
    assert colors_of(search(client, id="new/image", limit=2)) == ["blue"] * 2
    assert len(list((tmp_path / "served" / "photos").iterdir())) == 1  # the old photo is gone
    assert client.delete(name).json() == {"deleted": 1}
    assert code_of(client.delete(name)) == (404, "unknown_item")
    assert not list((tmp_path / "served" / "photos").iterdir())


@pytest.mark.parametrize(
    ("files", "data", "expected"),
    [
        ({"photo": b"no photo"}, {}, (415, "unreadable_image")),
        ({"other": b"x"}, {}, (422, "invalid")),
        ({"photo": drawn("red")}, {"columns": "[1]"}, (422, "invalid")),
        ({"photo": drawn("red")}, {"columns": "{"}, (422, "invalid")),
        ({"photo": drawn("red")}, {"columns": '{"a": {"b": 1}}'}, (422, "invalid")),
        ({"photo": drawn("red")}, {"columns": '{"a": NaN}'}, (422, "invalid")),
        ({"photo": drawn("red")}, {"columns": '{"price": "cheap"}'}, (422, "invalid")),
        ({"photo": drawn("red")}, {"columns": '{"gender": true}'}, (422, "invalid")),
        ({"photo": drawn("red")}, {"uri": "/etc/passwd"}, (400, "invalid")),
        ({"photo": drawn("red")}, {"uri": "file:///etc/passwd"}, (400, "invalid")),
    ],
)
def test_a_wrong_item_is_refused_and_nothing_changes(
    client: TestClient, files: Any, data: Any, expected: tuple[int, str]
) -> None:
    assert code_of(client.put("/v1/items/new", files=files, data=data)) == expected
    assert code_of(client.get("/v1/items/new")) == (404, "unknown_item")
    assert client.get("/health").json()["photos"] == 24


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"price": "cheap"}, "'price' holds numbers; got a text"),
        ({"sale": True}, "columns.sale: "),
        ({"text": "x" * 501}, "at most 500 characters"),
        ({str(n): 1 for n in range(101)}, "at most 100 items"),
    ],
)
def test_a_refused_column_is_named(client: TestClient, columns: dict[str, Any], said: str) -> None:
    form = {"files": {"photo": drawn("red")}, "data": {"columns": json.dumps(columns)}}
    response = client.put("/v1/items/new", **form)
    assert code_of(response) == (422, "invalid") and said in response.text


def test_the_example_of_the_documentation_can_be_put(client: TestClient) -> None:
    put = client.get("/openapi.json").json()["paths"]["/v1/items/{id}"]["put"]
    example = put["requestBody"]["content"]["multipart/form-data"]["example"]
    response = client.put("/v1/items/new", files={"photo": drawn("red")}, data=example)
    assert response.status_code == 200, response.text


def test_names_of_an_edit_may_be_spelled_in_other_letters(client: TestClient) -> None:
    def answer(**edit: Any) -> Any:
        response = search(client, id="red-plain-0", edits=[edit])
        assert response.status_code == 200, response.text
        return response.json()

    exact = answer(attribute="color", to="blue")
    mixed = answer(attribute="Color", to="BLUE")
    for part in ("hits", "edits"):
        assert mixed[part] == exact[part]
    example = {"id": "blue-plain-0"}
    assert answer(attribute="Color", like=example)["edits"][0]["like"] == example


def test_a_failed_write_leaves_no_photo(
    client: TestClient, searcher: FakeSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(items: list[Item]) -> None:
        raise FlamError(f"the disk of {tmp_path}/shop.db is full")

    monkeypatch.setattr(searcher.gallery, "add", full)
    response = client.put("/v1/items/new", files={"photo": drawn("red")})
    assert code_of(response) == (400, "invalid") and str(tmp_path) not in response.text
    assert not list((tmp_path / "served" / "photos").iterdir())


def test_without_a_key_only_a_local_service_is_written_to(start: Start) -> None:
    files = {"photo": drawn("red")}
    far = start(host="0.0.0.0")
    assert code_of(far.put("/v1/items/new", files=files)) == (403, "unauthorized")
    assert code_of(far.delete("/v1/items/red-plain-0")) == (403, "unauthorized")
    assert code_of(start(folder=None).delete("/v1/items/red-plain-0")) == (403, "unauthorized")
    closed = start(key="k", folder=None).delete("/v1/items/a", headers={"X-API-Key": "k"})
    assert code_of(closed) == (403, "unauthorized") and "it needs folder=" in closed.text
    keyed = start(host="0.0.0.0", key="k")
    assert keyed.put("/v1/items/new", files=files, headers={"X-API-Key": "k"}).status_code == 200


def test_the_api_key_guards_everything_under_v1(start: Start) -> None:
    client = start(key="geheim")
    for address in ("/v1/attributes", "/v1/items", "/v1/items/red-plain-0/image", "/v1/none"):
        for headers in ({}, {"X-API-Key": "geheimer"}, {"X-API-Key": ""}):
            assert code_of(client.get(address, headers=headers)) == (401, "unauthorized")
    assert code_of(client.post("/v1/search", json={})) == (401, "unauthorized")
    assert client.get("/v1/items", headers={"X-API-Key": "geheim"}).status_code == 200
    assert client.get("/health").status_code == client.get("/metrics").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert "security" in paths["/v1/search"]["post"] and "security" not in paths["/health"]["get"]


@pytest.mark.parametrize("key", ["\u043a\u043b\u044e\u0447", "clé", "a\nb", " secret"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(FlamError, match="no HTTP header can carry"):
        Options(key=key)


def test_pages_of_other_sites_cannot_use_the_service(client: TestClient) -> None:
    rebound = client.get("/v1/items", headers={"Host": "evil.example:8000"})
    assert code_of(rebound) == (400, "invalid")
    crossed = {"Sec-Fetch-Site": "cross-site"}
    response = client.post("/v1/photos", content=drawn("red"), headers=crossed)
    assert code_of(response) == (403, "unauthorized")
    assert "access-control-allow-origin" not in client.get("/v1/items").headers


def test_every_answer_has_the_headers_of_security(client: TestClient) -> None:
    client.app.state.service.searcher.gallery.lock = None  # a fault  # type: ignore[attr-defined]
    for address in ("/health", "/v1/none", "/v1/items/none", "/docs", "/metrics"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert code_of(client.get("/v1/items/none")) == (500, "internal")


def test_text_of_the_gallery_and_of_requests_is_escaped(client: TestClient) -> None:
    evil = "<script>alert(1)</script>"
    response = client.get(f"/v1/items/{evil}")
    assert response.headers["content-type"] == "application/json"
    page = client.get("/docs").text
    assert "<script" not in page and "http" not in page.replace("http(s)", "").split("<style")[0]


def test_a_fault_concerns_its_request_only_and_says_nothing(
    client: TestClient, searcher: FakeSearcher
) -> None:
    assert searcher.gallery is not None
    searcher.gallery.delay = 0.1
    with ThreadPoolExecutor(8) as pool:
        texts = ["", "fault", "", "", "fault", "", "", ""]
        answers = list(pool.map(lambda t: search(client, id="red-plain-0", text=t), texts))
    assert [a.status_code for a in answers] == [500 if text else 200 for text in texts]
    assert "secret" not in answers[1].text and code_of(answers[1])[1] == "internal"


def test_queries_that_wait_are_answered_together_each_with_its_own(
    client: TestClient, searcher: FakeSearcher
) -> None:
    assert searcher.gallery is not None
    searcher.gallery.delay = 0.05
    names = [
        f"{color}-{pattern}-{n}"
        for color in COLORS
        for pattern in ("plain", "striped")
        for n in range(4)
    ]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: search(client, id=name, limit=3).json(), names))
    for name, answer in zip(names, answers, strict=True):
        color, pattern, _ = name.split("-")
        assert answer["query"]["attributes"]["color"]["name"] == color
        assert all(hit["id"].startswith(f"{color}-{pattern}") for hit in answer["hits"])
        assert name not in [hit["id"] for hit in answer["hits"]]
    assert sum(searcher.batches) == 24 and 1 < max(searcher.batches) <= 16
    assert "flam_batch_size_count" in client.get("/metrics").text


def test_a_full_queue_answers_429(start: Start, searcher: FakeSearcher) -> None:
    assert searcher.gallery is not None
    searcher.gallery.delay = 0.2
    client = start(batch=1, waiting=2)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: search(client, id="red-plain-0"), range(12)))
    busy = [answer for answer in answers if answer.status_code == 429]
    assert len(busy) >= 6 and {a.status_code for a in answers} == {200, 429}
    assert all(int(a.headers["retry-after"]) >= 1 and code_of(a)[1] == "busy" for a in busy)
    searcher.gallery.delay = 0
    assert search(client, id="red-plain-0").status_code == 200


def test_what_is_counted(client: TestClient) -> None:
    search(client, id="red-plain-0")
    client.get("/v1/items/none")
    text = client.get("/metrics").text
    assert 'flam_requests_total{method="POST",route="/v1/search",status="200"} 1.0' in text
    assert 'flam_requests_total{method="GET",route="/v1/items/{id}",status="404"} 1.0' in text
    assert "flam_photos 24.0" in text and 'flam_part_seconds_count{part="search"} 1.0' in text


def test_addresses_are_shown_only_when_asked(start: Start, tmp_path: Path) -> None:
    hidden = search(start(), id="red-plain-0")
    assert str(tmp_path) not in hidden.text and hidden.json()["hits"][0]["uri"] is None
    shown = search(start(show_uris=True), id="red-plain-0").json()["hits"][0]["uri"]
    assert Path(shown).is_file()


def test_large_bodies_are_refused_while_they_arrive(start: Start) -> None:
    client = start()
    sent = 0

    def endless() -> Iterator[bytes]:  # without a Content-Length
        nonlocal sent
        for _ in range(200):
            sent += 2**20
            yield bytes(2**20)

    for address in ("/v1/photos", "/v1/search"):
        assert code_of(client.post(address, content=endless())) == (413, "too_large")
    named = {"Content-Length": str(2**40)}
    response = client.post("/v1/photos", content=b"x", headers=named)
    assert code_of(response) == (413, "too_large")


def test_a_searcher_without_a_gallery_is_refused() -> None:
    with pytest.raises(FlamError, match="no gallery"):
        create_app(FakeSearcher(None))


def test_a_taken_port_is_refused(searcher: FakeSearcher) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(FlamError, match="cannot listen"):
            serve(searcher, Options(port=taken.getsockname()[1]))
    with pytest.raises(FlamError, match="port is 99999; expected 0"):
        serve(searcher, Options(port=99999))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_finishes_what_is_running(tmp_path: Path, number: int) -> None:
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, str(here / "serve_fake.py"), str(tmp_path), "1.5"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().rpartition(" ")[2].strip()
        assert address.startswith("http://127.0.0.1:")
        answers: list[httpx.Response] = []

        def ask() -> None:
            body = {"id": "red-plain-0"}
            answers.append(httpx.post(f"{address}/v1/search", json=body, timeout=30))

        asking = threading.Thread(target=ask)
        asking.start()
        while "flam_waiting 0.0" not in (text := httpx.get(f"{address}/metrics").text) or (
            'route="/v1/search"' in text
        ):
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        time.sleep(0.4)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/health", timeout=5)
        asking.join(30)
        assert process.wait(30) == 0
        assert answers[0].status_code == 200 and len(answers[0].json()["hits"]) == 23
    finally:
        process.kill()
        process.wait()


def test_the_service_imports_no_torch() -> None:
    code = (
        "import sys, flam_pl.serving.service, flam_pl.serving.web.endpoints; "
        "import flam_pl.galleries.stored, flam_pl.serving.results; "
        "sys.exit('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_the_drawn_photos_are_what_they_are_called(searcher: FakeSearcher) -> None:
    """Else the tests above would prove little."""
    features = searcher.features([drawn("red"), drawn("blue", "striped")])
    assert np.allclose(features[0][:3], np.array(COLORS["red"]) / 255, atol=0.03)
    assert features[0][3] == 0 and features[1][3] > 0.8
