from spbl_nb.exercises.all import *  # noqa: F403
