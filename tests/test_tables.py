"""Tables over many runs."""

import numpy as np
import pytest

from spbl_nb import config, runs, tables

pytest_plugins = ["tests.test_runs"]
