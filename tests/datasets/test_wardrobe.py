"""The wardrobe: what is drawn, what the catalog says, and what an interrupted drawing leaves."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from math import sqrt
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from flam_pl.config.data import WardrobeData, WardrobeSettings
from flam_pl.data import photo_check
from flam_pl.datasets import drawn_wardrobe
from flam_pl.datasets.wardrobe import drawing, sketch
from flam_pl.datasets.wardrobe.drawing import draw_wardrobe
from flam_pl.datasets.wardrobe.garment import (
    COLORS,
    PATTERNS,
    SCHEMA,
    SHAPES,
    Garment,
    color_of,
    draw_change,
    draw_garment,
    draw_traits,
    joint_distribution,
)
from flam_pl.datasets.wardrobe.patterns import cloth
from flam_pl.datasets.wardrobe.photo import (
    SUPERSAMPLING,
    Photo,
    draw_photo,
    lit_garment,
    photograph,
)
from flam_pl.errors import FlamError

SMALL = WardrobeSettings(
    seed=3,
    image_size=48,
    train_items=7,
    train_photos=3,
    val_items=3,
    val_photos=2,
    evaluation_items=4,
    evaluation_photos=2,
    counterfactuals=4,
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wardrobe") / "small"
    draw_wardrobe(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def catalog(drawn: Path) -> pd.DataFrame:
    return pd.read_csv(drawn / "catalog.csv", keep_default_na=False)


def fingerprint(folder: Path) -> str:
    """One hash of every file's name and bytes."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def beside(folder: Path) -> list[str]:
    """What drawing left there; an unused lock may stay."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def garment(shape: str, color: str, pattern: str, seed: int = 0) -> Garment:
    rng = np.random.default_rng(seed)
    return Garment(shape, color, pattern, draw_traits(shape, color, rng))


def plain_photo(seed: int = 0) -> Photo:
    """A shop photo in neutral light, of nobody."""
    photo = draw_photo(np.random.default_rng(seed), "shop")
    return replace(photo, worn=False, exposure=1.0, balance=(1.0, 1.0, 1.0), grain=0.0)


def silhouette(garment: Garment, photo: Photo, size: int = 128) -> np.ndarray:
    """Where the garment (or its wearer) is in ``photograph``'s picture: bool ``(size, size)``."""
    rng = np.random.default_rng(photo.seed)
    _, mask = lit_garment(garment, photo, size * SUPERSAMPLING, rng)
    return cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA) > 127


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab of sRGB colors ``(N, 3)`` in 0..255, by OpenCV: not by the code under test."""
    pixels = (np.asarray(rgb, np.float32) / 255).reshape(1, -1, 3)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)[0]


# ---------------------------------------------------------------- same seed, same bytes


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(
    drawn: Path, tmp_path: Path
) -> None:
    draw_wardrobe(tmp_path / "two", SMALL, workers=2)
    assert fingerprint(tmp_path / "two") == fingerprint(drawn)


def test_another_seed_gives_other_pictures_and_another_catalog(drawn: Path, tmp_path: Path) -> None:
    draw_wardrobe(tmp_path / "other", replace(SMALL, seed=4))
    name = "images/train/train-00000-0.jpg"
    assert (tmp_path / "other" / name).read_bytes() != (drawn / name).read_bytes()
    assert (tmp_path / "other/catalog.csv").read_bytes() != (drawn / "catalog.csv").read_bytes()


def test_another_label_rate_leaves_every_picture_as_it_was(drawn: Path, tmp_path: Path) -> None:
    settings = replace(SMALL, labelled_share=1.0, label_rate=1.0, wrong_rate=0.0)
    draw_wardrobe(tmp_path / "labelled", settings)
    assert fingerprint(tmp_path / "labelled/images") == fingerprint(drawn / "images")


def test_photos_of_one_item_differ_from_one_another(drawn: Path) -> None:
    pictures = sorted((drawn / "images/train").glob("train-00000-*.jpg"))
    assert len({path.read_bytes() for path in pictures}) == SMALL.train_photos


# ---------------------------------------------------------------- counterfactuals


@pytest.mark.parametrize("kind", SCHEMA.types)
def test_a_counterfactual_differs_in_exactly_one_attribute(kind: str) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        original = draw_garment(0, rng)
        changed = draw_change(0, original, kind, rng)
        differing = [t for t in SCHEMA.types if original.attribute(t) != changed.attribute(t)]
        assert differing == [kind]
        assert changed.traits == original.traits


def test_a_change_of_color_keeps_silhouette_and_pattern_geometry() -> None:
    photo = draw_photo(np.random.default_rng(5), "consumer")
    for shape in SHAPES:
        original = garment(shape, "red", "dots", seed=4)
        changed = original.changed("color", "blue")
        assert np.array_equal(silhouette(original, photo), silhouette(changed, photo))
        assert not np.array_equal(photograph(original, photo), photograph(changed, photo))
        # Where the marks lie does not depend on the colors. Rims may round to the ground or not.
        grounds = (original.palette().ground, changed.palette().ground)
        first, second = (
            np.abs(cloth(g).astype(float) - ground).sum(axis=-1) < 3
            for g, ground in zip((original, changed), grounds, strict=True)
        )
        if shape != "sweater":  # its knit makes no pixel exactly the ground's color
            assert first.mean() > 0.5
            assert (first != second).mean() < 0.01


def test_a_change_of_pattern_keeps_silhouette_and_background() -> None:
    photo = plain_photo(6)
    original = garment("skirt", "green", "solid", seed=1)
    changed = original.changed("pattern", "check")
    inside = silhouette(original, photo)
    assert np.array_equal(inside, silhouette(changed, photo))
    difference = np.abs(photograph(original, photo).astype(int) - photograph(changed, photo))
    # Half-covered pixels of the rim may differ, the background may not.
    background = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    assert background.sum() > 2000
    assert difference[background].max() == 0
    assert difference[inside].mean() > 5


def test_a_change_of_shape_keeps_the_traits_that_still_apply() -> None:
    shirt = garment("shirt", "white", "solid", seed=2)
    shirt = replace(shirt, traits=replace(shirt.traits, sleeve="short", trim="cuffs", neckline="v"))
    dress, coat = shirt.changed("shape", "dress"), shirt.changed("shape", "coat")
    assert (dress.trait("sleeve"), dress.trait("trim"), dress.trait("neckline")) == (
        "short",
        "cuffs",
        "v",
    )
    assert coat.trait("sleeve") == "long"  # the nearest that a coat can have
    assert coat.changed("shape", "shirt") == shirt  # and nothing is forgotten on the way
    assert np.array_equal(dress.palette().ground, shirt.palette().ground)


def test_an_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(FlamError, match="purple"):
        garment("shirt", "red", "solid").changed("color", "purple")


def test_counterfactuals_of_the_catalog_name_their_original(catalog: pd.DataFrame) -> None:
    changed = catalog[catalog.counterfactual_of != ""]
    assert set(changed.domain) == {"shop"}
    assert changed.split.value_counts().to_dict() == {  # none of what is trained on
        split: SMALL.items(split) * SMALL.counterfactuals for split in ("val", "evaluation")
    }
    originals = catalog.drop_duplicates("item").set_index("item")
    truth = [f"true_{t}" for t in SCHEMA.types]
    for original, group in changed.groupby("counterfactual_of"):
        differing = [
            [t for t in truth if row[t] != originals.loc[original, t]]
            for _, row in group.iterrows()
        ]
        assert [len(names) for names in differing] == [1] * SMALL.counterfactuals
        # Three types: the first three counterfactuals change each of them, the fourth one again.
        assert {names[0] for names in differing[:3]} == set(truth)
        assert not group[truth].duplicated().any()


# ---------------------------------------------------------------- colors and patterns


def nearest_color(rgb: np.ndarray) -> str:
    """Class whose region's middle is nearest in Lab."""
    middles = np.array([color_of(name, (0.5, 0.5, 0.5)) for name in COLORS])
    return COLORS[int(np.linalg.norm(lab(middles) - lab(rgb), axis=1).argmin())]


@pytest.mark.parametrize("color", COLORS)
def test_the_ground_color_is_that_of_its_class_also_in_a_clean_photo(color: str) -> None:
    right, seen = 0, 24
    for seed in range(seen):
        item = garment(SHAPES[seed % len(SHAPES)], color, "solid", seed)
        item = replace(item, traits=replace(item.traits, trim="none", logo="none"))
        assert nearest_color(item.palette().ground) == color
        photo = plain_photo(seed)
        picture = photograph(item, photo)
        right += nearest_color(np.median(picture[silhouette(item, photo)], axis=0)) == color
    assert right >= seen - 1  # folds and edges darken: one picture in 24 may look like a neighbour


def test_the_regions_of_the_colors_stay_apart() -> None:
    rng = np.random.default_rng(0)
    samples = {
        name: lab(np.array([color_of(name, tuple(rng.random(3))) for _ in range(40)]))
        for name in COLORS
    }
    for i, first in enumerate(COLORS):
        for second in COLORS[i + 1 :]:
            gaps = np.linalg.norm(samples[first][:, None] - samples[second][None], axis=-1)
            assert gaps.min() > 17, (first, second)  # about 2.3 is the least a person can see


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_ground_covers_more_than_any_mark(pattern: str) -> None:
    for seed in range(8):
        item = garment("t-shirt", COLORS[seed], pattern, seed)
        pixels = cloth(item).reshape(-1, 3).astype(float)
        palette = item.palette()
        near = [
            (np.abs(pixels - color).sum(axis=1) < 6).mean()
            for color in (palette.ground, palette.second, palette.third)
        ]
        assert near[0] > 0.3
        assert near[0] > 1.3 * max(near[1:])


def test_patterns_and_shapes_look_different_from_one_another() -> None:
    photo = plain_photo(1)
    seen = {photograph(garment("t-shirt", "red", p), photo).tobytes() for p in PATTERNS}
    assert len(seen) == len(PATTERNS)
    masks = [silhouette(garment(s, "red", "solid"), photo) for s in SHAPES]
    for i in range(len(SHAPES)):
        for k in range(i):
            assert (masks[i] ^ masks[k]).sum() > 0.02 * masks[i].sum(), (SHAPES[i], SHAPES[k])


# ---------------------------------------------------------------- lines of a sketch


def test_an_arc_is_as_high_as_its_bulge_says_and_lies_left_of_the_way() -> None:
    line = sketch.path((0, 0), (3, 4), (3, 14, 0.2))
    np.testing.assert_allclose(line[:2], [[0, 0], [3, 4]])  # straight: only its ends
    arc = line[2:]
    np.testing.assert_allclose(arc[[0, -1]], [[3, 4], [3, 14]], atol=1e-12)
    # the way goes down the picture, so its left is a larger x; the chord is 10 long
    np.testing.assert_allclose(arc[:, 0] - 3, 2 * (1 - ((arc[:, 1] - 9) / 5) ** 2), atol=1e-12)


def test_the_left_side_of_a_sketch_mirrors_the_right_one() -> None:
    coat = sketch.Sketch(garment("coat", "red", "solid"), plain_photo().pose)
    for side in coat.sides():
        side.panel(sketch.path((0.1, 0.2), (0.3, 0.2), (0.3, 0.5)), turn=(0.4, 0.2, 0.3), seam=0.01)
        side.bone((0.1, 0.0), (0.2, 0.7), 0.05)
    left_panel, left_seam, right_panel, right_seam = coat.parts
    for left, right in ((left_panel, right_panel), (left_seam, right_seam)):
        np.testing.assert_array_equal(left.points, right.points * [-1, 1])
    assert (left_panel.turn, right_panel.turn) == ((-0.4, -0.2, 0.3), (0.4, 0.2, 0.3))
    np.testing.assert_array_equal(right_seam.points[0], right_seam.points[-1])  # all around
    (left_bone, _), (right_bone, _) = coat.bones
    np.testing.assert_array_equal(left_bone, right_bone * [-1, 1])


# ---------------------------------------------------------------- labels and counts


def label_table(settings: WardrobeSettings) -> pd.DataFrame:
    """Labels beside the truth, of every training image, without drawing one."""
    table = []
    for item in drawing.items_of(settings):
        if item.split != "train":
            continue
        item_garment = drawing.garment_of(settings, item)
        for number in range(settings.train_photos):
            truth = {f"true_{t}": item_garment.attribute(t) for t in SCHEMA.types}
            table.append(drawing.labels(settings, item, number, item_garment) | truth)
    return pd.DataFrame(table)


def within(found: float, expected: float, count: int) -> bool:
    """Whether a share lies within 4.5 standard deviations of a binomial: fails once in 150,000."""
    return abs(found - expected) <= 4.5 * sqrt(expected * (1 - expected) / count)


def test_labels_are_as_sparse_and_as_wrong_as_the_settings_say() -> None:
    settings = WardrobeSettings(seed=8, train_items=500, evaluation_items=1, val_items=1)
    table = label_table(settings)
    images = len(table)
    labelled = {t: table[t] != "" for t in SCHEMA.types}
    for t in SCHEMA.types:
        assert within(labelled[t].mean(), 0.4 * 0.7, images)
        wrong = (table[t] != table[f"true_{t}"])[labelled[t]]
        assert within(wrong.mean(), 0.05, int(labelled[t].sum()))
    any_label = labelled["shape"] | labelled["color"] | labelled["pattern"]
    assert within(any_label.mean(), 0.4 * (1 - 0.3**3), images)


def test_labels_are_exact_outside_training(catalog: pd.DataFrame) -> None:
    exact = catalog[catalog.split != "train"]
    for t in SCHEMA.types:
        assert (exact[t] == exact[f"true_{t}"]).all()
    train = catalog[catalog.split == "train"]
    assert (train[list(SCHEMA.types)] == "").any(axis=None)


def test_the_catalog_has_the_counts_of_the_settings(drawn: Path, catalog: pd.DataFrame) -> None:
    originals = catalog[catalog.counterfactual_of == ""]
    assert originals.groupby("split").item.nunique().to_dict() == {
        "train": 7,
        "val": 3,
        "evaluation": 4,
    }
    domains = originals.groupby(["split", "domain"]).size()
    assert domains["train", "shop"] == 14  # two of three photos
    assert domains["train", "consumer"] == 7
    assert domains["evaluation", "shop"] == domains["evaluation", "consumer"] == 4
    assert (catalog.groupby("item").split.nunique() == 1).all()
    assert catalog.path.is_unique
    assert list(catalog.columns) == [
        *("path", "item", "domain", "split", "sha256", "shape", "color", "pattern"),
        *("true_shape", "true_color", "true_pattern", "counterfactual_of"),
        *("sleeve", "neckline", "collar", "pockets", "trim", "logo", "buttons"),
        *("fit", "length", "cut", "second_color", "pattern_scale", "pattern_angle"),
    ]
    for path in catalog.path:
        assert cv2.imread(str(drawn / path)).shape == (48, 48, 3)
    contents = [hashlib.sha256((drawn / path).read_bytes()).hexdigest() for path in catalog.path]
    assert catalog.sha256.tolist() == contents


def test_no_photo_is_decoded_before_the_training_but_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without the hashes, which older wardrobes do not have."""
    read, decode, root = list[Path](), photo_check.decode, tmp_path / "w"

    def counted(data: bytes, path: Path) -> Any:
        read.append(path)
        return decode(data, path)

    monkeypatch.setattr(photo_check, "decode", counted)
    settings = WardrobeData(name="w", root=str(root), **asdict(SMALL))
    draw_wardrobe(root, SMALL)
    damaged = root / "images/val/val-00001-0.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    checked, bad = photo_check.check_photos(drawn_wardrobe.read(root, settings))
    assert read == [damaged] and [*bad.values()] == ["unreadable: truncated"]
    monkeypatch.setattr(photo_check, "decode", decode)
    table = pd.read_csv(root / "catalog.csv", dtype=str, keep_default_na=False)
    table.drop(columns="sha256").to_csv(root / "catalog.csv", index=False)
    decoded, also_bad = photo_check.check_photos(drawn_wardrobe.read(root, settings))
    assert also_bad == bad and decoded.contents == checked.contents
    assert np.array_equal(decoded.pixel_codes, checked.pixel_codes)
    assert decoded.notes == checked.notes and decoded.table.equals(checked.table)


def test_shape_color_and_pattern_depend_on_each_other() -> None:
    table = joint_distribution(0)
    assert table.sum() == pytest.approx(1)
    assert (table > 0).all()
    alone = [table.sum(axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    independent = np.einsum("s,c,p->scp", *alone)
    # Mutual information in nats: 0 if independent. And a quarter of all combinations hardly exists.
    assert (table * np.log(table / independent)).sum() > 0.3
    assert (table < 0.1 * independent).mean() > 0.2
    assert min(a.min() for a in alone) > 0.02  # yet every class is seen
    assert not np.allclose(table, joint_distribution(1))


def test_garments_follow_the_joint_distribution() -> None:
    rng, count = np.random.default_rng(9), 3000
    drawn = [draw_garment(0, rng) for _ in range(count)]
    table = joint_distribution(0)
    for axis, kind in enumerate(SCHEMA.types):
        others = tuple(a for a in range(3) if a != axis)
        expected = count * table.sum(axis=others)
        found = np.bincount(SCHEMA.encode(kind, [g.attribute(kind) for g in drawn]), minlength=10)
        assert ((found - expected) ** 2 / expected).sum() < 33.7  # chi-square, 9 d.f.: p = 0.0001


# ---------------------------------------------------------------- interrupted drawing


def test_a_drawn_wardrobe_is_not_drawn_again(
    drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flam_pl.datasets.wardrobe.drawing.draw_all", None)  # a call would raise
    draw_wardrobe(drawn, SMALL)
    assert "the wardrobe is there already" in capsys.readouterr().out


def test_other_settings_replace_the_old_set(tmp_path: Path) -> None:
    tiny = WardrobeSettings(image_size=32, train_items=1, val_items=0, evaluation_items=0)
    draw_wardrobe(tmp_path / "w", tiny)
    draw_wardrobe(tmp_path / "w", replace(tiny, train_photos=2))
    assert len(list((tmp_path / "w").rglob("*.jpg"))) == 2
    assert json.loads((tmp_path / "w/settings.json").read_text())["train_photos"] == 2
    assert beside(tmp_path) == ["w"]


@pytest.mark.parametrize(
    ("trouble", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), FlamError),
    ],
)
def test_an_interruption_keeps_the_old_set_and_leaves_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: BaseException,
    seen: type[BaseException],
) -> None:
    tiny = WardrobeSettings(image_size=32, train_items=3, val_items=0, evaluation_items=0)
    draw_wardrobe(tmp_path / "w", tiny)
    before, done = fingerprint(tmp_path / "w"), []
    write = drawing.write_jpeg

    def fail_later(path: Path, picture: np.ndarray) -> None:
        if len(done) == 5:
            raise trouble
        done.append(path)
        write(path, picture)

    monkeypatch.setattr(drawing, "write_jpeg", fail_later)
    with pytest.raises(seen) as caught:
        draw_wardrobe(tmp_path / "w", replace(tiny, seed=1))
    if seen is FlamError:
        assert "No space left" in str(caught.value)
        assert str(tmp_path / "w") in str(caught.value)
    assert len(done) == 5
    assert fingerprint(tmp_path / "w") == before
    assert beside(tmp_path) == ["w"]


def test_a_run_killed_between_the_two_renames_is_mended(tmp_path: Path) -> None:
    tiny = WardrobeSettings(image_size=32, train_items=1, val_items=0, evaluation_items=0)
    draw_wardrobe(tmp_path / "w", tiny)
    before = fingerprint(tmp_path / "w")
    (tmp_path / "w").rename(tmp_path / ".w.old")
    draw_wardrobe(tmp_path / "w", tiny)
    assert fingerprint(tmp_path / "w") == before
    assert beside(tmp_path) == ["w"]


def test_two_that_draw_at_once_draw_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits, sees that all is done, and leaves it."""
    tiny = WardrobeSettings(image_size=32, train_items=1, val_items=0, evaluation_items=0)
    started, second_came = threading.Event(), threading.Event()
    draw, times = drawing.draw_all, []

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            if "waiting" in text:
                second_came.set()
            return super().write(text)

    def slow(*arguments: Any) -> None:
        times.append(1)
        started.set()
        assert second_came.wait(60)
        draw(*arguments)

    output = Output()
    monkeypatch.setattr(drawing, "draw_all", slow)
    monkeypatch.setattr(sys, "stdout", output)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(draw_wardrobe, tmp_path / "w", tiny)
        assert started.wait(60)
        second = threads.submit(draw_wardrobe, tmp_path / "w", tiny)
        first.result(60), second.result(60)
    assert "another process is writing" in output.getvalue()
    assert times == [1]
    assert len(list((tmp_path / "w").rglob("*.jpg"))) == 6
    assert beside(tmp_path) == ["w"]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("two years of work")
    with pytest.raises(FlamError, match="holds no wardrobe"):
        draw_wardrobe(tmp_path, SMALL)
    assert (tmp_path / "thesis.tex").read_text() == "two years of work"
