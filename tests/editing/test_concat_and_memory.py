"""The methods that FLAM is compared with, on features whose answer is known."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing.concat import ConcatEditor
from flam_pl.editing.memory import MemoryEditor
from flam_pl.editing.wishes import Wish
from flam_pl.nets.concat import ConcatClassifiers
from flam_pl.nets.embedder import Embedders
from flam_pl.nets.memory import Memory
from flam_pl.stages.memory import hardest_triplet


def test_an_edit_replaces_one_block_by_the_prototype_and_keeps_the_others() -> None:
    world = make_world(rows=30)
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5).eval()
    net.space.fit(world.features)
    labels = torch.from_numpy(world.labels)
    net.fit_prototypes(world.features, labels)
    editor = ConcatEditor("cls_concat", SCHEMA, net.blocks, net.prototypes)
    x = world.features[:4]
    before = editor.represent(x).unflatten(1, (len(SCHEMA.types), 5))
    torch.testing.assert_close(before.norm(dim=2), torch.ones(4, len(SCHEMA.types)))
    kind = SCHEMA.types[1]
    wanted = SCHEMA.of(kind)[1]
    after = editor.edit(x, [Wish(kind, wanted)]).unflatten(1, (len(SCHEMA.types), 5))
    others = [t for t in range(len(SCHEMA.types)) if t != 1]
    torch.testing.assert_close(after[:, others], before[:, others])
    # the prototype is the direction of the mean block of the class
    rows = labels[:, 1] == 1
    mean = net.blocks(world.features)[rows, 1].mean(dim=0)
    torch.testing.assert_close(after[:, 1], F.normalize(mean, dim=0).expand(4, -1))
    assert not torch.allclose(after[:, 1], before[:, 1], atol=1e-2)


def test_a_class_without_a_label_has_no_prototype() -> None:
    world = make_world(rows=20)
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5).eval()
    labels = torch.from_numpy(world.labels.copy())
    labels[:, 0] = 0
    net.fit_prototypes(world.features, labels)
    kind = SCHEMA.types[0]
    assert net.prototypes(kind)[0].norm() > 0.9
    assert net.prototypes(kind)[1:].abs().sum() == 0


def test_a_memory_of_class_means_adds_the_difference_of_two_means() -> None:
    world = make_world(rows=60)
    embedders = Embedders(SCHEMA, world.features.shape[1], 6).eval().requires_grad_(False)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    memory = Memory(SCHEMA, embedders.space.dimension)
    memory.start_at([embedders.space(embedders.of(n).class_means) for n in SCHEMA.types])
    x = world.features[:5]
    kind = SCHEMA.types[-1]
    new = SCHEMA.of(kind)[0]
    old = embedders.classify(embedders(x))[:, -1]
    means = embedders.of(kind).class_means
    edited = MemoryEditor(embedders, memory).edit(x, [Wish(kind, new)])
    torch.testing.assert_close(edited, x - means[old] + means[0], rtol=1e-4, atol=1e-4)
    assert (old != 0).any()


def test_memory_rows_of_the_types_do_not_mix() -> None:
    memory = Memory(SCHEMA, 3)
    with torch.no_grad():
        memory.rows.copy_(torch.arange(len(memory.rows) * 3.0).view(-1, 3))
    first = [sum(SCHEMA.sizes[:t]) for t in range(len(SCHEMA.sizes))]
    for t, size in enumerate(SCHEMA.sizes):
        z = torch.zeros(1, 3)
        got = memory.edit(z, torch.tensor([t]), torch.tensor([0]), torch.tensor([size - 1]))
        torch.testing.assert_close(got[0], memory.rows[first[t] + size - 1] - memory.rows[first[t]])


def test_hardest_triplet_is_farthest_positive_against_nearest_negative() -> None:
    generator = torch.Generator().manual_seed(3)
    edited, features = (torch.randn(12, 4, generator=generator) for _ in range(2))
    labels = torch.randint(2, (12, 2), generator=generator)
    wanted = torch.randint(2, (12, 2), generator=generator)
    losses = []
    for row in range(12):
        same = [j for j in range(12) if labels[j].tolist() == wanted[row].tolist()]
        rest = [j for j in range(12) if j not in same]
        if not same or not rest:
            continue

        def distance(j: int, row: int = row) -> float:
            return float(1 - F.cosine_similarity(edited[row], features[j], dim=0))

        losses.append(max(0.0, max(map(distance, same)) - min(map(distance, rest)) + 0.3))
    assert len(losses) > 6 and sum(losses) > 1
    got = hardest_triplet(edited, features, wanted, labels, 0.3)
    torch.testing.assert_close(got, torch.tensor(sum(losses) / len(losses)))


def test_hardest_triplet_without_any_triplet_is_zero() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    labels = torch.zeros(4, 2, dtype=torch.long)
    loss = hardest_triplet(x, x.detach(), labels, labels, 0.3)
    loss.backward()
    assert float(loss.detach()) == 0 and x.grad is not None and torch.isfinite(x.grad).all()
