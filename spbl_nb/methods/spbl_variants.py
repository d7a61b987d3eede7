"""The three variants of SPBL, and the switches in which they differ; every switch can be set by itself.

=================  ==================  ================  =======================================
switch             released            clean             intended
=================  ==================  ================  =======================================
selection          test (a leak)       validation        validation
assignment         released            released          sorted
balance_on         svm                 svm               network
difficulty_from    svm                 svm               network
head               svm                 svm               softmax
feature_stack      yes                 yes               no
replacement        yes                 yes               no
rounded_ease       yes                 yes               no
penalty draws      a constant stream   from the seed     from the seed
=================  ==================  ================  =======================================

Weights, reconstruction and warm start are on in all three. The abstract asks for two of these: larger weights for more
complex classes, and a balance that the network learns from. The rest of what ``intended`` changes follows from the
network taking the SVM's place (difficulty, head, no stack), or is ours (no replacement, no rounding).

Taught in: notebooks/05_spbl, section 3.
"""

import dataclasses
from dataclasses import dataclass

from spbl_nb.config import Config


@dataclass(frozen=True)
class Switches:
    """What tells the variants of SPBL apart; the settings of the same names in :class:`spbl_nb.config.Config`."""

    selection: str
    assignment: str
    weighting: bool
    reconstruction: bool
    replacement: bool
    rounded_ease: bool
    balance_on: str
    difficulty_from: str
    warm_start: bool
    feature_stack: bool
    head: str

    @property
    def needs_svm(self) -> bool:
        """Whether anything asks the SVM: the scores, or the selection."""
        return "svm" in (self.head, self.difficulty_from)


_RELEASED = Switches(
    selection="test",
    assignment="released",
    weighting=True,
    reconstruction=True,
    replacement=True,
    rounded_ease=True,
    balance_on="svm",
    difficulty_from="svm",
    warm_start=True,
    feature_stack=True,
    head="svm",
)
_CLEAN = dataclasses.replace(_RELEASED, selection="validation")
_INTENDED = dataclasses.replace(
    _CLEAN,
    assignment="sorted",
    replacement=False,
    rounded_ease=False,
    balance_on="network",
    difficulty_from="network",
    feature_stack=False,
    head="softmax",
)
VARIANTS = {"released": _RELEASED, "clean": _CLEAN, "intended": _INTENDED}


def switches_of(config: Config) -> Switches:
    """Return the variant's switches, with those that the configuration sets itself."""
    variant = VARIANTS[config.variant]
    names = [field.name for field in dataclasses.fields(Switches)]
    return dataclasses.replace(variant, **{name: v for name in names if (v := getattr(config, name)) is not None})
