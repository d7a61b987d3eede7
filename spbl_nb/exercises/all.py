"""Exercises that check themselves: ``exercises.check_…(mine)`` stands in the cell of each exercise of the notebooks.

A checker runs the reader's function on edge cases and drawn cases, beside the library or brute force. It prints what it
found, with the smallest counterexample, and returns a :class:`Verdict`; it never raises. Each chapter's checkers are in
the module ``…_exercises`` of its subject, and how they work in :mod:`spbl_nb.exercises.check`.

Taught in: notebooks/00_start_here, section 2.
"""

from spbl_nb.exercises.balance import check_complexity, check_cost_weights, check_reconstruction
from spbl_nb.exercises.baseline import check_balanced_order, check_macro_f1, check_prepare
from spbl_nb.exercises.check import Verdict
from spbl_nb.exercises.data import check_achieved_factor, check_class_counts, check_clean_training_rows
from spbl_nb.exercises.evaluation import check_g_mean, check_paired_p, check_rank_auc
from spbl_nb.exercises.ghm import check_harmonized_weights, check_smoothed_counts
from spbl_nb.exercises.pace import check_diverse_selection, check_exact_quota, check_root_weights
from spbl_nb.exercises.spbl import check_balanced_share, check_leak, check_vote_loss

__all__ = [
    "Verdict",
    "check_achieved_factor",
    "check_balanced_order",
    "check_balanced_share",
    "check_class_counts",
    "check_clean_training_rows",
    "check_complexity",
    "check_cost_weights",
    "check_diverse_selection",
    "check_exact_quota",
    "check_g_mean",
    "check_harmonized_weights",
    "check_leak",
    "check_macro_f1",
    "check_paired_p",
    "check_prepare",
    "check_rank_auc",
    "check_reconstruction",
    "check_root_weights",
    "check_smoothed_counts",
    "check_vote_loss",
]
