"""Exercises that check themselves: the cell of each exercise of the notebooks ends with ``exercises.check_…(mine)``.

A checker runs the reader's function on edge cases and drawn cases and compares it with the library or brute force. It
prints what it found, with the smallest counterexample, and returns a :class:`Verdict`; it never raises.
"""

from spbl_nb.exercises.balance import check_complexity, check_cost_weights, check_reconstruction
from spbl_nb.exercises.baseline import check_balanced_order, check_macro_f1, check_prepare
from spbl_nb.exercises.check import Verdict
from spbl_nb.exercises.data import check_achieved_factor, check_class_counts, check_clean_training_rows
from spbl_nb.exercises.evaluation import check_g_mean, check_paired_p, check_rank_auc
from spbl_nb.exercises.ghm import check_harmonized_weights, check_smoothed_counts
from spbl_nb.exercises.pace import check_diverse_selection, check_exact_quota, check_root_weights
from spbl_nb.exercises.spbl import check_balanced_share, check_leak, check_vote_loss
