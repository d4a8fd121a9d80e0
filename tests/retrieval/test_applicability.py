"""Which types do not apply to which classes, from the labels of a made catalog."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from flam_pl.attributes import AttributeSchema, SchemaError
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.edits import Edit, EditError
from flam_pl.retrieval.applicability import Applicability

SCHEMA = AttributeSchema(
    {
        "category": ("shirt", "shoes", "hat", "glove"),
        "sleeve": ("short", "long"),
        "color": ("red", "blue"),
        "lining": ("silk", "wool"),
    }
)


def catalog(
    shoes: int = 60,
    with_sleeve: int = 0,
    shirts: int = 100,
    sleeved: int = 80,
) -> Catalog:
    """Shirts and hats, of which some have a sleeve length; shoes, of which ``with_sleeve`` do.

    Every tenth image has a color, two have a lining.
    """
    category = ["shirt"] * shirts + ["shoes"] * shoes + ["hat"] * 10
    sleeve = ["long"] * sleeved + [None] * (shirts - sleeved)
    sleeve += ["short"] * with_sleeve + [None] * (shoes - with_sleeve) + [None] * 10
    count = len(category)
    table = pd.DataFrame(
        {
            "path": [f"{n}.jpg" for n in range(count)],
            "split": "train",
            "category": category,
            "sleeve": sleeve,
            "color": ["red" if n % 10 == 0 else None for n in range(count)],
            "lining": ["wool" if n < 2 else None for n in range(count)],
        }
    )
    return Catalog.build("made", Path("/nowhere"), table, SCHEMA)


def counted(made: Catalog) -> Applicability:
    return Applicability.of(made.schema, made.labels)


def test_a_sleeve_does_not_apply_to_shoes_and_the_labels_say_so() -> None:
    found = counted(catalog())
    assert found.why_not("sleeve", "category", "shoes") == (
        "sleeve does not apply to shoes: of 60 training images of shoes none is labelled with it"
    )
    assert found.why_not("sleeve", "category", "shirt") is None
    assert found.why_not("sleeve", "sleeve", "short") is None
    # colors are rare, but no rarer there than elsewhere; linings are rare everywhere
    assert found.why_not("color", "category", "shoes") is None
    assert found.why_not("lining", "category", "shoes") is None


@pytest.mark.parametrize(
    ("made", "applies"),
    [
        ({"shoes": 29}, True),  # too few to judge by
        ({"shoes": 30}, False),
        ({"shoes": 100, "with_sleeve": 2}, False),  # two wrong labels
        ({"shoes": 100, "with_sleeve": 3}, True),
        ({"sleeved": 21}, True),  # less than a fair share of the 110 others
        ({"sleeved": 22}, False),
    ],
)
def test_enough_images_nearly_none_and_a_fair_share_elsewhere(made: dict, applies: bool) -> None:
    why = counted(catalog(**made)).why_not("sleeve", "category", "shoes")
    assert (why is None) == applies
    if made.get("with_sleeve") == 2:
        assert why is not None and why.endswith("of shoes only 2 labelled with it")


def test_counts_are_those_of_a_loop_over_images() -> None:
    made = catalog(with_sleeve=7)
    found = counted(made)
    for t, name in enumerate(SCHEMA.types):
        for c, label in enumerate(SCHEMA.of(name)):
            rows = [r for r in range(len(made)) if made.table[name].iloc[r] is not pd.NA]
            rows = [r for r in rows if made.table[name].iloc[r] == label]
            assert found.images[t][c] == len(rows)
            for other_t, other in enumerate(SCHEMA.types):
                labelled = sum(not pd.isna(made.table[other].iloc[r]) for r in rows)
                assert found.labelled[t][c, other_t] == labelled
    assert found.images[0].tolist() == [100, 60, 10, 0]


def probabilities(category: list[float], sleeve: float = 0.5) -> list[torch.Tensor]:
    of_types = [category, [sleeve, 1 - sleeve], [0.9, 0.1], [0.5, 0.5]]
    return [torch.tensor(p) for p in of_types]


SHOES, PERHAPS_SHOES = [0.1, 0.8, 0.1, 0.0], [0.3, 0.4, 0.3, 0.0]
LONG = Edit("sleeve", "long")


def test_a_query_that_is_probably_a_shoe_is_refused_and_a_doubtful_one_remarked_upon() -> None:
    found = counted(catalog())
    probable, doubtful = probabilities(SHOES), probabilities(PERHAPS_SHOES)
    with pytest.raises(EditError) as error:
        found.remarks([LONG], probable, probable)
    assert str(error.value) == (
        "sleeve does not apply to shoes: of 60 training images of shoes none is labelled with it; "
        "the query is shoes with probability 0.80"
    )
    (remark,) = found.remarks([LONG], doubtful, doubtful)
    assert "sleeve does not apply" in remark and "0.40" in remark
    shirt = probabilities([0.9, 0.1, 0.0, 0.0], sleeve=0.6)
    assert found.remarks([LONG], shirt, shirt) == ()
    assert found.remarks([Edit("color", "blue")], probable, probable) == ()
    assert found.remarks([Edit("sleeve", "long", 0)], probable, probable) == ()


def test_the_wanted_class_decides_where_the_other_type_changes_too() -> None:
    found = counted(catalog())
    shoes, shirt = probabilities(SHOES), probabilities([1.0, 0.0, 0.0, 0.0])
    assert found.remarks([Edit("category", "shirt"), LONG], shoes, shirt) == ()
    to_shoes = probabilities([0.0, 1.0, 0.0, 0.0])
    with pytest.raises(EditError, match="which is the wanted category$"):
        found.remarks([Edit("category", "shoes"), LONG], shirt, to_shoes)


def test_a_query_that_has_the_wanted_class_already_is_remarked_upon() -> None:
    found = counted(catalog())
    shirt = probabilities([0.9, 0.1, 0.0, 0.0], sleeve=0.25)
    assert found.remarks([LONG, Edit("color", "red")], shirt, shirt) == (
        "the query's sleeve is long already, with probability 0.75",
        "the query's color is red already, with probability 0.90",
    )
    others = [Edit("sleeve", "short"), Edit("color", {"red": 1, "blue": 1})]
    assert found.remarks(others, shirt, shirt) == ()


def test_unknown_words_are_refused() -> None:
    found = counted(catalog())
    with pytest.raises(SchemaError, match="heel"):
        found.why_not("heel", "category", "shoes")
    with pytest.raises(SchemaError, match="boots"):
        found.why_not("sleeve", "category", "boots")
