"""Cls-Concat and its prototypes, on features whose answer is known."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing.edits import Edit
from flam_pl.methods.concatenation import ConcatEditor
from flam_pl.models.concat import ConcatClassifiers


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
    after = editor.edit(x, [Edit(kind, wanted)]).unflatten(1, (len(SCHEMA.types), 5))
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


def test_the_classifier_reads_the_softmax_of_its_logits() -> None:
    world = make_world(rows=20)
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5).eval()
    read = net.read(world.features)
    for of_type, logits in zip(read, net(world.features), strict=True):
        torch.testing.assert_close(of_type.sum(dim=1), torch.ones(20))
        ratio = of_type[:, 1] / of_type[:, 0]
        torch.testing.assert_close(ratio, (logits[:, 1] - logits[:, 0]).exp())
