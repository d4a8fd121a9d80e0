"""An invented ``metrics.json``, format 2: every value another one, so that a mix-up is noticed."""

from __future__ import annotations

from typing import Any

import numpy as np

TYPES = ("shape", "color")
BEST = "flam_plus+posteriors"
TITLES = {
    "no_edit": "no edit",
    "arithmetic": "arithmetic",
    "cls_concat": "Cls-Concat",
    "emb_concat": "Emb-Concat",
    "flam_s_adv": "FLAM (S, adv)",
    "flam_m": "FLAM (M)",
    "flam_m_adv": "FLAM (M, adv)",
    "flam": "FLAM",
    "flam_plus": "FLAM+",
    "filter": "filter, then similarity",
    "oracle": "oracle",
}
METHODS = (
    *("flam_plus", "no_edit", "filter", "cls_concat", "emb_concat", "flam+posteriors", "flam_m"),
    *("flam", "flam+own", "mine", BEST, "oracle"),
)
KS = (1, 5, 10, 20, 50, 100)


def estimate(value: float, n: int = 100, **changes: Any) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n": n, **changes}


NOTHING = {"value": None, "low": None, "high": None, "n": 0}


def made_metrics(seed: int = 0, ks: tuple[int, ...] = KS, dataset: str = "shop") -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def at_k(*names: str) -> dict[str, Any]:
        return {
            f"{name}@{k}": estimate(float(value))
            for name in names
            for k, value in zip(ks, np.sort(rng.uniform(0.1, 0.9, len(ks))), strict=True)
        }

    def groups() -> dict[str, Any]:
        found = {group: at_k("T", "P", "as_it_was", "utility") for group in ("all", *TYPES)}
        found["all"] |= at_k("kept_of_wanted", "NDCG")
        return found | {"macro": at_k("T")}

    def probabilities() -> dict[str, Any]:
        bins = [
            {"predicted": 0.1, "observed": 0.2, "n": 40},
            {"predicted": 0.9, "observed": 0.8, "n": 60},
        ]
        error = estimate(rng.uniform(), low=None, high=None)
        return {
            "ECE": error,
            "Brier": estimate(rng.uniform()),
            "observed": estimate(0.3),
            "bins": bins,
        }

    calibration: dict[str, Any] = {
        event: {"raw": probabilities(), "calibrated": probabilities()}
        for event in ("attribute", "combination", "answer")
    }
    calibration["answer"]["calibrated"] |= {
        "AUROC": NOTHING,
        "detection_rate": estimate(0.7),
        "false_alarm_rate": estimate(0.1),
        "threshold": 0.25,
    }
    strengths = ("0", "0.5", "1")
    instance = {name: at_k("R") for name in METHODS if name != "oracle"}
    others = [name for name in METHODS if name not in (BEST, "oracle")]
    return {
        "format": 2,
        "dataset": dataset,
        "notes": ["two photos left out"],
        "best": BEST,
        "methods": {
            name: {"title": t, "color": f"#{i:06d}"} for i, (name, t) in enumerate(TITLES.items())
        },
        "instance": instance["no_edit"],
        "instance_by_method": instance,
        "edits": {name: groups() for name in METHODS},
        "double_edits": {name: {g: at_k("T") for g in ("all", "shape + color")} for name in others},
        "by_strength": {
            name: {
                s: {
                    "wanted_first": estimate(rng.uniform()),
                    "cosine_to_query": estimate(rng.uniform()),
                    "T@10": estimate(0.1 + 0.5 * float(s)),
                    "P@10": estimate(height - 0.1 * float(s)),
                }
                for s in strengths
            }
            for name, height in (("flam", 0.5), ("flam_plus", 0.7), ("mine", 0.4), (BEST, 0.9))
        },
        "depth": {
            name: {depth: at_k("T") | {"P@10": estimate(rng.uniform())} for depth in ("50", "all")}
            for name in ("flam+posteriors", BEST)
        },
        "counterfactual": {name: at_k("CF") for name in METHODS},
        "classification": {
            kind: {t: estimate(rng.uniform(0.2, 0.9)) for t in TYPES}
            for kind in ("original", "manipulated")
        },
        "preservation": {
            name: {t: at_k("kept_of_wanted") for t in ("season",)} for name in METHODS
        },
        "ndcg": {name: {kind: at_k("NDCG") for kind in ("target", "other")} for name in METHODS},
        "ratio": {name: {"cls_concat": at_k("T"), "emb_concat": at_k("T")} for name in others},
        "change": {name: at_k("T", "P", "CF") for name in others},
        "calibration": calibration,
        "counts": {
            "edits": 700,
            "impossible_edits": 80,
            "edit_queries": 60,
            "gallery": 90,
            "instance_queries": 40,
            "instance_without_match": 3,
            "instance_on_distorted_views": False,
        },
        "dimensions": {n: 1023 if n.endswith("concat") else 1024 for n in METHODS if "+" not in n},
        "seconds": {"embedder": 3.0},
        "peak_memory_mb": 99,
        "versions": {"python": "3"},
        "config": {
            "seed": seed,
            "backbone": {
                "model": "resnet50",
                "weights": "timm",
                "max_epochs": 20,
                "image_size": 224,
            },
            "trainer": {"max_epochs": None},
            "manipulator": {
                "with_remaining": True,
                "online_sampling": True,
                "adversarial_weight": 0.5,
            },
            "evaluation": {"seed": 0},
        },
    }


EDIT_PARTS = (
    *("edits", "double_edits", "by_strength", "depth", "counterfactual", "classification"),
    *("preservation", "ndcg", "ratio", "change", "calibration"),
)


def without_edits(metrics: dict[str, Any]) -> dict[str, Any]:
    """The same of a data set where no edit can be evaluated."""
    counts = metrics["counts"] | {"edits": 0, "impossible_edits": 0}
    notes = ["no evaluation image carries all labels"]
    return metrics | {part: {} for part in EDIT_PARTS} | {"counts": counts, "notes": notes}
