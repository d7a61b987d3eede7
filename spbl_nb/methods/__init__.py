from spbl_nb.methods.registry import METHODS, Result, run
