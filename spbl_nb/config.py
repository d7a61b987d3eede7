"""Settings of a run: one frozen dataclass, and presets that fix sizes, epochs and seeds in one place.

``preset("fast")`` is what the committed notebooks use, ``"smoke"`` proves in seconds that everything runs (its numbers
mean nothing), ``"full"`` is for measurements. ``"release"`` holds the settings of the SPBL release for pictures of 28
pixels, at 11 epochs a stage; ``"paper"`` its settings for photographs: ResNet-50 with ImageNet weights at 224 pixels cut
from 256, two learning rates, 50 epochs a stage, in bf16, which takes a GPU. Every setting stands in one line with its
default, its check and its meaning; ``Config.describe()`` prints them, and any of them can be overridden by name.

Taught in: notebooks/00_start_here, section 3.
"""

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spbl_nb import checks, files
from spbl_nb.balance import ASSIGNMENTS
from spbl_nb.imbalance import PROFILES
from spbl_nb.pace import FORMS, SCHEDULES

PRECISIONS = ("fp32", "bf16", "fp16")
SELECTIONS = ("last", "validation", "test")
SCOPES = ("global", "class")
NORMALISERS = ("weights", "batch")
GROUPINGS = ("classes", "clusters")
VARIANTS = ("released", "clean", "intended")
PLACES = ("svm", "network", "both")
DIFFICULTIES = ("svm", "network")
HEADS = ("svm", "softmax", "logistic")

Check = Callable[[str, Any], Any]


def _setting(default: Any, check: Check, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"check": check, "meaning": meaning})


def _whole(low: int, high: int | None = None) -> Check:
    return lambda name, value: checks.integer(name, value, low, high)


def _number(low: float, high: float = float("inf"), **ends: bool) -> Check:
    return lambda name, value: checks.real(name, value, low, high, **ends)


def _name(allowed: tuple[str, ...]) -> Check:
    return lambda name, value: checks.one_of(name, value, allowed)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; allowed: a non-empty text")
    return value


def _optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def _list(check: Check) -> Check:
    def check_all(name: str, values: Any) -> tuple:
        if not isinstance(values, (list, tuple)) or not values:
            raise ValueError(f"{name} is {values!r}; allowed: a list with at least one entry")
        return tuple(check(f"{name}[{index}]", value) for index, value in enumerate(values))

    return check_all


def _rising(check: Check) -> Check:
    def check_order(name: str, values: Any) -> tuple:
        values = _list(check)(name, values)
        if any(b <= a for a, b in itertools.pairwise(values)):
            raise ValueError(f"{name} are {values}; allowed: values in rising order, none twice")
        return values

    return check_order


def _distinct(check: Check) -> Check:
    def check_distinct(name: str, values: Any) -> tuple:
        values = _list(check)(name, values)
        if len(set(values)) < len(values):
            raise ValueError(f"{name} are {values}; each may stand once, for a repeated seed is no new evidence")
        return values

    return check_distinct


def _never_falling(check: Check) -> Check:
    def check_order(name: str, values: Any) -> tuple:
        values = _list(check)(name, values)
        if any(b < a for a, b in itertools.pairwise(values)):
            raise ValueError(f"{name} are {values}; allowed: values that never fall")
        return values

    return check_order


@dataclass(frozen=True)
class Config:
    """All settings of a run apart from data set, method and seed. ``Config.describe()`` explains each.

    Raises ValueError naming the setting, the value found and what is allowed.
    """

    preset: str = _setting("fast", _text, "preset the settings started from")
    # data
    size: int | None = _setting(None, _optional(_whole(8, 1024)), "picture side, pixels; None: the data set's own")
    num_classes: int = _setting(12, _whole(2), "classes of the synthetic sets")
    largest: int | None = _setting(120, _optional(_whole(1)), "cap on training samples per class; None: all")
    test_per_class: int = _setting(50, _whole(1), "test samples per class of the embedded sets")
    profile: str | None = _setting(None, _optional(_name(PROFILES)), "imbalance profile; None: the data set's own")
    factor: float | None = _setting(
        None, _optional(_number(0, open_low=True)), "imbalance factor, largest/smallest class; None: the data set's own"
    )
    validation: float = _setting(0.15, _number(0, 1, open_low=True, open_high=True), "validation share")
    test: float = _setting(0.2, _number(0, 1, open_low=True, open_high=True), "test share without an official split")
    # network
    model: str = _setting("small_cnn", _text, "network, a name of models.NAMES")
    weights: str | None = _setting(
        None, _optional(_text), "starting weights: a torchvision name or a file; None: random"
    )
    # optimisation
    epochs: int = _setting(200, _whole(1), "passes over the training set at most")
    max_steps: int | None = _setting(600, _optional(_whole(1)), "optimiser steps at most; None: as the epochs say")
    batch_size: int = _setting(64, _whole(2), "pictures per step, over all processes")
    lr: float = _setting(0.05, _number(0, open_low=True), "learning rate at the start")
    backbone_lr: float | None = _setting(None, _optional(_number(0)), "learning rate below the head; None: as lr")
    momentum: float = _setting(0.9, _number(0, 1, open_high=True), "Nesterov momentum of SGD (0: plain SGD)")
    weight_decay: float = _setting(5e-4, _number(0), "L2 penalty of SGD")
    milestones: tuple[float, ...] = _setting(
        (0.6, 0.85), _rising(_number(0, 1, open_low=True)), "shares of the training at which lr falls"
    )
    lr_gamma: float = _setting(0.1, _number(0, 1, open_low=True), "factor by which lr falls at a milestone")
    padding: int = _setting(2, _whole(0, 64), "random shift in training, pixels each way")
    enlarge: bool = _setting(
        False,
        checks.boolean,
        "enlarge training pictures by twice the padding and cut at random (the release), else shift them",
    )
    crop: bool = _setting(
        False,
        checks.boolean,
        "cut training pictures at random out of stored ones larger by twice the padding, which are reduced where no one trains",
    )
    flip: bool | None = _setting(
        None, _optional(checks.boolean), "random mirroring in training; None: as suits the data set"
    )
    selection: str | None = _setting(
        None, _optional(_name(SELECTIONS)), "which epoch's weights are kept (test: SPBL only); None: as the method says"
    )
    evaluate_every: int = _setting(5, _whole(1), "epochs between two looks at the validation part")
    # self-paced learning
    paces: int = _setting(5, _whole(1), "paces of self-paced learning after the warm-up")
    pace_schedule: str = _setting("linear", _name(SCHEDULES), "how the admitted share grows from pace to pace")
    pace_start: float = _setting(0.5, _number(0, 1, open_low=True), "share admitted at the first pace")
    pace_form: str = _setting("hard", _name(FORMS), "self-paced weights, a name of pace.FORMS")
    pace_scope: str = _setting("global", _name(SCOPES), "one age for all samples, or a quota in every class")
    pace_normaliser: str = _setting(
        "weights", _name(NORMALISERS), "divide a batch's weighted loss by its weights or its size"
    )
    least_per_class: int = _setting(1, _whole(0), "easiest samples of every class that always train")
    diversity: float = _setting(0.5, _number(0), "diversity of SPLD, in units of the mean loss")
    diversity_groups: str = _setting("classes", _name(GROUPINGS), "what SPLD spreads its selection over")
    labelled_share: float = _setting(0.2, _number(0, 1, open_low=True, open_high=True), "labelled share of SPaCo")
    second_model: str = _setting("small_resnet", _text, "network of SPaCo's second view, a name of models.NAMES")
    # rivals, with the defaults of their papers
    balance_beta: float = _setting(
        0.9999, _number(0, 1, open_high=True), "beta of the effective number of samples (Cui et al. 2019)"
    )
    focal_gamma: float = _setting(2.0, _number(0), "power of the focal loss (Lin et al. 2017)")
    focal_weighted: bool = _setting(
        False, checks.boolean, "give the focal loss class-balanced weights as well (Cui et al. 2019)"
    )
    ghm_bins: int = _setting(30, _whole(1), "bins of the gradient norm in [0, 1] (GHM-C, Li et al. 2019)")
    ghm_momentum: float = _setting(
        0.75, _number(0, 1, open_high=True), "memory of the counts per bin, 0 for none (GHM-C, Li et al. 2019)"
    )
    ghm_bias_correction: bool = _setting(
        True, checks.boolean, "divide the remembered counts by 1 - momentum^updates; the released GHM-C does not"
    )
    ghm_r_mu: float = _setting(0.02, _number(0, open_low=True), "mu of the loss of box offsets (GHM-R, Li et al. 2019)")
    ghm_r_bins: int = _setting(10, _whole(1), "bins of its gradient norm in [0, 1] (GHM-R)")
    ghm_r_momentum: float = _setting(0.7, _number(0, 1, open_high=True), "memory of its counts per bin (GHM-R)")
    ldam_margin: float = _setting(
        0.5, _number(0, open_low=True), "margin of the rarest class, cosine (LDAM, Cao et al. 2019)"
    )
    ldam_scale: float = _setting(30.0, _number(0, open_low=True), "logits per cosine (LDAM, Cao et al. 2019)")
    drw_start: float = _setting(
        0.8,
        _number(0, 1, open_low=True, open_high=True),
        "share of the training before class weights set in (LDAM-DRW, Cao et al. 2019)",
    )
    adjustment_tau: float = _setting(1.0, _number(0), "strength of logit adjustment (Menon et al. 2021)")
    retrained_share: float = _setting(
        0.1,
        _number(0, 1, open_low=True, open_high=True),
        "share of the steps that trains the new head (cRT, Kang et al. 2020)",
    )
    smote_neighbours: int = _setting(5, _whole(1), "neighbours that SMOTE draws from (Chawla et al. 2002)")
    # self-paced balance learning; None: as the variant says
    variant: str = _setting(
        "clean", _name(VARIANTS), "SPBL as released, without its leak (clean), or as its abstract intends"
    )
    seed_share: float = _setting(
        0.2, _number(0, 1, open_low=True, open_high=True), "share of every class in the seed set of SPBL"
    )
    add_ratios: tuple[float, ...] = _setting(
        (0.5, 0.75, 0.9, 1.0, 1.0), _never_falling(_number(0, 1, open_low=True)), "share admitted at each pace of SPBL"
    )
    stage_epochs: int | None = _setting(
        None,
        _optional(_whole(1)),
        "passes over each SPBL stage's samples, as in the release; None: as epochs and max_steps say",
    )
    assignment: str | None = _setting(None, _optional(_name(ASSIGNMENTS)), "how penalty weights are handed out")
    max_cost: float = _setting(10.0, _number(1, 1e100), "bound on the largest penalty weight over the smallest")
    weighting: bool | None = _setting(None, _optional(checks.boolean), "use penalty weights")
    reconstruction: bool | None = _setting(None, _optional(checks.boolean), "rearrange the curriculum")
    max_added: int = _setting(100, _whole(0), "samples a class may gain when the curriculum is rearranged")
    keep_factor: float = _setting(3.0, _number(0), "classes below this multiple of the mean size lose no samples")
    replacement: bool | None = _setting(None, _optional(checks.boolean), "draw with replacement when resampling")
    rounded_ease: bool | None = _setting(
        None, _optional(checks.boolean), "round class eases up before ranking, which makes ties"
    )
    balance_on: str | None = _setting(None, _optional(_name(PLACES)), "what weights and resampling act on")
    difficulty_from: str | None = _setting(
        None, _optional(_name(DIFFICULTIES)), "whose losses select and rank: the SVM's votes or the network"
    )
    warm_start: bool | None = _setting(
        None, _optional(checks.boolean), "go on from the last pace's network, else start anew"
    )
    feature_stack: bool | None = _setting(
        None, _optional(checks.boolean), "fit the head on the features of all paces so far"
    )
    head: str | None = _setting(None, _optional(_name(HEADS)), "what scores the test pictures in the end")
    svm_cost: float = _setting(1.0, _number(0, open_low=True), "C of the SVM")
    svm_memory: float = _setting(
        4.0, _number(0, 1e6), "room for the SVM's whole kernel matrix, GiB; beyond it plain SVC does the work"
    )
    feature_cache: bool = _setting(
        False, checks.boolean, "freeze the backbone after the seed stage and train the paces on its features"
    )
    # machine
    device: str = _setting("cpu", _name(("cpu", "auto", "cuda", "mps")), "where the network runs")
    precision: str = _setting("fp32", _name(PRECISIONS), "arithmetic of the network")
    channels_last: bool = _setting(
        True, checks.boolean, "memory order of pictures and filters (faster on most machines)"
    )
    threads: int = _setting(1, _whole(1), "torch threads; results repeat bit for bit only at the same number")
    # grid
    seeds: tuple[int, ...] = _setting((0, 1, 2), _distinct(_whole(0)), "seeds of a grid")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, field.metadata["check"](field.name, getattr(self, field.name)))
        if self.enlarge and self.crop:
            raise ValueError(
                "enlarge and crop are both set; pictures are enlarged before the cut, or stored larger: take one"
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
        for key in overrides:
            checks.one_of("setting", key, [field.name for field in dataclasses.fields(self)])
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
    """Return what is laid across pages whose numbers mean nothing: those of preset smoke and what is changed from it.

    ``name`` is that of a configuration; for all others the text is empty.
    """
    name = checks.instance("name", name, str)
    return "preset smoke: numbers are no results" if name.startswith("smoke") else ""


def preset(name: str, **overrides: Any) -> Config:
    """Return the preset ``"smoke"``, ``"fast"``, ``"full"``, ``"release"`` or ``"paper"`` with some settings overridden by name.

    >>> preset("fast", lr=0.01).name.startswith("fast+")
    True

    Raises ValueError for an unknown preset or setting (the nearest name is suggested) and for a value not allowed.
    """
    return PRESETS[checks.one_of("preset", name, PRESETS)].replace(**overrides)
