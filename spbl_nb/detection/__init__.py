from spbl_nb.detection.read import load
from spbl_nb.detection.retinanet import build
from spbl_nb.detection.train import fit, predict, settings
