from spbl_nb.detection.sets import load
from spbl_nb.detection.train import fit, moved, predict, settings
