"""Settings of a run: one frozen dataclass, and presets that fix sizes, epochs and seeds in one place.

``preset("fast")`` is what the committed notebooks use, ``"smoke"`` proves in seconds that everything runs (its numbers
mean nothing), ``"full"`` is for measurements. ``"release"`` holds the settings of the SPBL release for images of 28
pixels, ``"paper"`` those for photographs, in bf16, which takes a GPU.
"""

import dataclasses
import itertools
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spbl_nb import checks, files
from spbl_nb.balance import ASSIGNMENTS
from spbl_nb.imbalance import PROFILES
from spbl_nb.pace import FORMS, SCHEDULES


def setting(default: Any, meaning: str, **limits: Any) -> Any:
    """Return a field whose values are of the type of its annotation and within ``limits``.

    Numbers lie between ``low`` and ``high``, or ``above`` and ``below`` without these; texts are one of ``names``; tuples
    have an ``order``: "rising", "never falling" or "distinct".
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, **limits})


def _checked(field: dataclasses.Field, value: Any) -> Any:
    """Return a setting's value in the type of its field; ValueError names the setting, the value and what is allowed."""
    name, limits = field.name, field.metadata
    kind, *others = typing.get_args(field.type) or (field.type,)
    if value is None and type(None) in others:
        return None
    if typing.get_origin(field.type) is not tuple:
        return _checked_one(name, value, kind, limits)
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f"{name} is {value!r}; allowed: a list with at least one entry")
    values = tuple(_checked_one(f"{name}[{index}]", one, kind, limits) for index, one in enumerate(value))
    order = limits["order"]
    if order == "distinct" and len(set(values)) < len(values):
        raise ValueError(f"{name} are {values}; each may come once, because a repeated seed is no new evidence")
    if order == "rising" and any(b <= a for a, b in itertools.pairwise(values)):
        raise ValueError(f"{name} are {values}; allowed: values in rising order, none twice")
    if order == "never falling" and any(b < a for a, b in itertools.pairwise(values)):
        raise ValueError(f"{name} are {values}; allowed: values that never fall")
    return values


def _checked_one(name: str, value: Any, kind: Any, limits: Mapping[str, Any]) -> Any:
    if kind is int:
        return checks.integer(name, value, limits["low"], limits.get("high"))
    if kind is float:
        low, high = limits.get("above", limits.get("low")), limits.get("below", limits.get("high", math.inf))
        return checks.real(name, value, low, high, open_low="above" in limits, open_high="below" in limits)
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: True or False")
        return value
    if "names" in limits:
        return checks.one_of(name, value, limits["names"])
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; allowed: a non-empty text")
    return value


@dataclass(frozen=True)
class Config:
    """All settings of a run apart from data set, method and seed; ``Config.describe()`` explains each."""

    preset: str = setting("fast", "preset the settings started from")
    # data
    size: int | None = setting(None, "image side, pixels; None: the data set's own", low=8, high=1024)
    num_classes: int = setting(12, "classes of the synthetic sets", low=2)
    largest: int | None = setting(120, "cap on training samples per class; None: all", low=1)
    test_per_class: int = setting(50, "test samples per class of the embedded sets", low=1)
    profile: str | None = setting(None, "imbalance profile; None: the data set's own", names=PROFILES)
    factor: float | None = setting(None, "imbalance factor, largest/smallest class; None: the data set's own", above=0)
    validation: float = setting(0.15, "validation share", above=0, below=1)
    test: float = setting(0.2, "test share without an official split", above=0, below=1)
    # network
    model: str = setting("small_cnn", "network, a name of models.NAMES")
    weights: str | None = setting(None, "starting weights: a torchvision name or a file; None: random")
    # optimisation
    epochs: int = setting(200, "passes over the training set at most", low=1)
    max_steps: int | None = setting(600, "optimiser steps at most; None: as the epochs say", low=1)
    batch_size: int = setting(64, "images per step, over all processes", low=2)
    lr: float = setting(0.05, "learning rate at the start", above=0)
    backbone_lr: float | None = setting(None, "learning rate below the head; None: as lr", low=0)
    momentum: float = setting(0.9, "Nesterov momentum of SGD (0: plain SGD)", low=0, below=1)
    weight_decay: float = setting(5e-4, "L2 penalty of SGD", low=0)
    milestones: tuple[float, ...] = setting(
        (0.6, 0.85), "shares of the training at which lr falls", high=1, order="rising", above=0
    )
    lr_gamma: float = setting(0.1, "factor by which lr falls at a milestone", high=1, above=0)
    padding: int = setting(2, "random shift in training, pixels each way", low=0, high=64)
    enlarge: bool = setting(
        False, "enlarge training images by twice the padding and cut at random (the release), else shift them"
    )
    crop: bool = setting(
        False, "cut training images at random out of stored ones larger by twice the padding; elsewhere reduce those"
    )
    flip: bool | None = setting(None, "random mirroring in training; None: as suits the data set")
    selection: str | None = setting(
        None,
        "which epoch's weights are kept (test: SPBL only); None: as the method says",
        names=("last", "validation", "test"),
    )
    evaluate_every: int = setting(5, "epochs between two evaluations of the validation split", low=1)
    # self-paced learning
    paces: int = setting(5, "paces of self-paced learning after the warm-up", low=1)
    pace_schedule: str = setting("linear", "how the admitted share grows from pace to pace", names=SCHEDULES)
    pace_start: float = setting(0.5, "share admitted at the first pace", high=1, above=0)
    pace_form: str = setting("hard", "self-paced weights, a name of pace.FORMS", names=FORMS)
    pace_scope: str = setting("global", "one age for all samples, or a quota in every class", names=("global", "class"))
    pace_normaliser: str = setting(
        "weights", "divide a batch's weighted loss by its weights or its size", names=("weights", "batch")
    )
    least_per_class: int = setting(1, "easiest samples of every class that always train", low=0)
    diversity: float = setting(0.5, "diversity of SPLD, in units of the mean loss", low=0)
    diversity_groups: str = setting("classes", "what SPLD spreads its selection over", names=("classes", "clusters"))
    labelled_share: float = setting(0.2, "labelled share of SPaCo", above=0, below=1)
    second_model: str = setting("small_resnet", "network of SPaCo's second view, a name of models.NAMES")
    # baselines, with the defaults of their papers
    balance_beta: float = setting(0.9999, "beta of the effective number of samples (Cui et al. 2019)", low=0, below=1)
    focal_gamma: float = setting(2.0, "power of the focal loss (Lin et al. 2017)", low=0)
    focal_weighted: bool = setting(False, "give the focal loss class-balanced weights as well (Cui et al. 2019)")
    ghm_bins: int = setting(30, "bins of the gradient norm in [0, 1] (GHM-C, Li et al. 2019)", low=1)
    ghm_momentum: float = setting(
        0.75, "memory of the counts per bin, 0 for none (GHM-C, Li et al. 2019)", low=0, below=1
    )
    ghm_bias_correction: bool = setting(
        True, "divide the remembered counts by 1 - momentum^updates; the released GHM-C does not"
    )
    ghm_r_mu: float = setting(0.02, "mu of the loss of box offsets (GHM-R, Li et al. 2019)", above=0)
    ghm_r_bins: int = setting(10, "bins of its gradient norm in [0, 1] (GHM-R)", low=1)
    ghm_r_momentum: float = setting(0.7, "memory of its counts per bin (GHM-R)", low=0, below=1)
    ldam_margin: float = setting(0.5, "margin of the rarest class, cosine (LDAM, Cao et al. 2019)", above=0)
    ldam_scale: float = setting(30.0, "logits per cosine (LDAM, Cao et al. 2019)", above=0)
    drw_start: float = setting(
        0.8, "share of the training before class weights set in (LDAM-DRW, Cao et al. 2019)", above=0, below=1
    )
    adjustment_tau: float = setting(1.0, "strength of logit adjustment (Menon et al. 2021)", low=0)
    retrained_share: float = setting(
        0.1, "share of the steps that trains the new head (cRT, Kang et al. 2020)", above=0, below=1
    )
    smote_neighbours: int = setting(5, "neighbours that SMOTE draws from (Chawla et al. 2002)", low=1)
    # self-paced balance learning; None: as the variant says
    variant: str = setting(
        "clean",
        "SPBL as released, without its leak (clean), or as its abstract intends",
        names=("released", "clean", "intended"),
    )
    seed_share: float = setting(0.2, "share of every class in the seed set of SPBL", above=0, below=1)
    add_ratios: tuple[float, ...] = setting(
        (0.5, 0.75, 0.9, 1.0, 1.0), "share admitted at each pace of SPBL", high=1, order="never falling", above=0
    )
    stage_epochs: int | None = setting(
        None, "passes over each SPBL stage's samples, as in the release; None: as epochs and max_steps say", low=1
    )
    assignment: str | None = setting(None, "how penalty weights are assigned", names=ASSIGNMENTS)
    max_cost: float = setting(10.0, "bound on the largest penalty weight over the smallest", low=1, high=1e100)
    weighting: bool | None = setting(None, "use penalty weights")
    reconstruction: bool | None = setting(None, "rearrange the curriculum")
    max_added: int = setting(100, "samples a class may gain when the curriculum is rearranged", low=0)
    keep_factor: float = setting(3.0, "classes below this multiple of the mean size lose no samples", low=0)
    replacement: bool | None = setting(None, "draw with replacement when resampling")
    rounded_ease: bool | None = setting(None, "round class eases up before ranking, which makes ties")
    balance_on: str | None = setting(None, "what weights and resampling act on", names=("svm", "network", "both"))
    difficulty_from: str | None = setting(
        None, "whose losses select and rank: the SVM's votes or the network", names=("svm", "network")
    )
    warm_start: bool | None = setting(None, "go on from the last pace's network, else start again")
    feature_stack: bool | None = setting(None, "fit the head on the features of all paces so far")
    head: str | None = setting(None, "what scores the test images in the end", names=("svm", "softmax", "logistic"))
    svm_cost: float = setting(1.0, "C of the SVM", above=0)
    svm_memory: float = setting(
        4.0, "room for the SVM's whole kernel matrix, GiB; beyond it plain SVC does the work", low=0, high=1e6
    )
    feature_cache: bool = setting(False, "freeze the backbone after the seed stage and train the paces on its features")
    # machine
    device: str = setting("cpu", "where the network runs", names=("cpu", "auto", "cuda", "mps"))
    precision: str = setting("fp32", "arithmetic of the network", names=("fp32", "bf16", "fp16"))
    channels_last: bool = setting(True, "memory order of images and filters (faster on most machines)")
    threads: int = setting(1, "torch threads; results repeat bit for bit only at the same number", low=1)
    # grid
    seeds: tuple[int, ...] = setting((0, 1, 2), "seeds of a grid", low=0, order="distinct")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))
        if self.enlarge and self.crop:
            raise ValueError(
                "enlarge and crop are both set; images are enlarged before the cut, or stored larger: take one"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, in the order of the class."""
        return {name: files.to_jsonable(value) for name, value in dataclasses.asdict(self).items()}

    @cached_property
    def digest(self) -> str:
        """Eight hex digits over all settings but ``seeds``, which are a property of the grid and not of one run."""
        settings = {key: value for key, value in self.to_dict().items() if key != "seeds"}
        return files.sha256_of(files.to_json(settings))[:8]

    @property
    def name(self) -> str:
        """The preset's name, followed by ``+digest`` when a setting was overridden."""
        untouched = self.preset in PRESETS and self.digest == PRESETS[self.preset].digest
        return self.preset if untouched else f"{self.preset}+{self.digest}"

    def replace(self, **overrides: Any) -> "Config":
        """Return a copy with other settings; an unknown name is a ValueError that suggests the nearest one."""
        known = [field.name for field in dataclasses.fields(self)]
        for key in overrides:
            checks.one_of("setting", key, known)
        return dataclasses.replace(self, **overrides)

    def describe(self) -> list[tuple[str, Any, str]]:
        """Return (name, value, meaning) of every setting, in order."""
        return [
            (field.name, getattr(self, field.name), field.metadata["meaning"]) for field in dataclasses.fields(self)
        ]


PRESETS: dict[str, Config] = {
    "smoke": Config(
        preset="smoke",
        largest=24,
        factor=8.0,
        test_per_class=10,
        epochs=12,
        max_steps=24,
        paces=2,
        seeds=(0,),
        add_ratios=(0.5, 1.0),
    ),
    "fast": Config(),
    "release": Config(
        preset="release",
        largest=None,
        model="mnist_net",
        stage_epochs=11,
        lr=0.01,
        milestones=(8 / 11,),
        enlarge=True,
        flip=True,
        evaluate_every=1,
        svm_memory=8.0,
    ),
    "paper": Config(
        preset="paper",
        size=256,
        largest=None,
        model="resnet50",
        weights="IMAGENET1K_V1",
        stage_epochs=50,
        lr=0.01,
        backbone_lr=0.001,
        milestones=(40 / 50,),
        padding=16,
        crop=True,
        flip=True,
        evaluate_every=1,
        svm_memory=8.0,
        device="auto",
        precision="bf16",
    ),
    "full": Config(preset="full", largest=400, test_per_class=100, epochs=60, max_steps=None, seeds=(0, 1, 2, 3, 4, 5)),
}


def watermark(name: str) -> str:
    """Return what is laid across pages of the configurations whose numbers mean nothing; empty for all other names."""
    return "preset smoke: numbers are no results" if name.startswith("smoke") else ""


def preset(name: str, **overrides: Any) -> Config:
    """Return one of :data:`PRESETS` with some settings overridden by name.

    >>> preset("fast", lr=0.01).name.startswith("fast+")
    True
    """
    return PRESETS[checks.one_of("preset", name, PRESETS)].replace(**overrides)
