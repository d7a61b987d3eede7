from spbl_nb.data.cache import prepare
from spbl_nb.data.dataset import ImageData
from spbl_nb.data.read_arrays import read_npz
from spbl_nb.data.registry import EMBEDDED, NAMES, load, load_for, options, options_from
from spbl_nb.data.split import Split, make_split
