"""Notebook 09, its cells run in this process: with runs of every kind, and with none."""

import nbformat
import pytest
import report_runs as made

from spbl_nb import config, places
from spbl_nb.batch import parameters
from spbl_nb.plots import comparisons, figures
from spbl_nb.results import report, store

NOTEBOOK = places.PACKAGE.parent / "notebooks" / "09_reproduction_report.ipynb"

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def page(tmp_path, monkeypatch, capsys):
    """A function that runs the notebook on ``tmp_path`` and returns all it says.

    Its ``pictures`` are (PNG, alt text), and ``marked`` the figures that got a watermark.
    """
    monkeypatch.setattr(
        "IPython.display.display", lambda shown, raw=False: print(shown["text/plain"] if raw else shown)
    )
    monkeypatch.setattr("IPython.display.Markdown", str)
    monkeypatch.setattr("IPython.display.HTML", str)

    def run(preset="smoke", root=tmp_path):
        run.pictures, run.marked = [], []
        monkeypatch.setattr(comparisons, "watermark", run.marked.append)
        monkeypatch.setattr(figures, "show_png", lambda png, alt: run.pictures.append((png, alt)))
        known = {name: parameter.default for name, parameter in parameters.declared(NOTEBOOK).items()}
        names = known | {"PRESET": preset, "RUNS_DIR": str(root)}
        for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
            if cell.cell_type == "code" and "parameters" not in cell.metadata["tags"]:
                exec(compile(cell.source, cell.id, "exec"), names)
        return capsys.readouterr().out

    return run


def test_without_runs_the_page_says_so_and_writes_nothing(page, tmp_path):
    told = page("fast", tmp_path / "nothing")
    assert "There are no results yet" in told
    assert "configuration fast: 0 complete runs, 0 broken" in told
    assert told.count("ours: not run here") == 6
    assert "No runs, so no tables were written" in told
    assert page.pictures == []
    assert not (tmp_path / "nothing").exists()


def test_runs_of_another_configuration_are_offered_and_not_shown(page, tmp_path):
    made.save(tmp_path, recall=[0.9, 0.5, 0.1])
    told = page("fast")
    assert "There are runs of smoke: name one as `PRESET`" in told
    assert "0.5" not in told.split("## 7")[0].split("published")[0]
    with pytest.raises(ValueError, match="preset is '\\*'"):
        page("*")


def test_one_run_alone(page, tmp_path):
    made.save(tmp_path, recall=[0.9, 0.5, 0.1])
    told = page()
    assert "**Preset smoke: this page proves that everything runs. Its numbers are no results.**" in told
    assert "Nothing to conclude: no method but ce was run" in told
    assert "a ranking needs two methods" in told
    assert len(page.pictures) == 3  # scores, classes, costs
    assert len(page.marked) == 3
    assert all(alt.startswith("Trial run, no result. ") for _, alt in page.pictures)


def test_all_kinds_of_runs(page, tmp_path):
    methods = ("ce", "brand_new", "spaco", "spbl_clean", "spbl_released")
    for seed in range(2):
        for place, method in enumerate(methods):
            made.save(tmp_path, method, seed, recall=[0.9, 0.5, 0.1 * place + 0.1 * seed], alter=switched)
    made.save(tmp_path, "spl", 0, recall=[0.9, 0.5, 0.5])
    (made.save(tmp_path, "spl", 1) / store.HISTORY).unlink()
    told = page()
    assert "configuration smoke: 11 complete runs, 1 broken, 0 on other data" in told
    assert "broken: smoke/blobs/spl/seed-1: smoke/blobs/spl/seed-1/history.jsonl" in told
    assert "missing runs: blobs spl seed 1" in told
    assert "`spbl_clean` − `ce` in macro F1: +0." in told
    assert "Left out, because not all have it: spl (1 of 2)" in told
    equal, apart = told.split("Mean ± standard deviation over seeds")[1].split("Apart, in no comparison and no ranking")
    assert "spaco" not in equal
    assert "spaco" in apart.split("‡ was given")[0]
    assert not [alt for _, alt in page.pictures if "spaco" in alt and ("ifference" in alt or "rank" in alt)]
    assert "`spbl_released` minus `spbl_clean`** on blobs, two effects in one: choosing on the test images" in told
    assert "brand_new" in told
    assert len(page.pictures) == 6
    assert all(alt and "`" not in alt for _, alt in page.pictures)
    written = {path.name for path in (tmp_path / "smoke" / "tables").iterdir()}
    assert {"means.csv", "means.tex", "differences.tex", "published.csv"} <= written


def switched(result):
    """Give a made-up run the record of its method's real ones."""
    selection = "test" if result["fingerprint"]["method"] == "spbl_released" else "validation"
    if result["fingerprint"]["method"].startswith("spbl"):
        result["details"] = {"switches": {"selection": selection}, "paces": [{"complexity": [0.1, 0.5, 2.0]}]}


def test_runs_of_a_version_that_recorded_less(page, tmp_path):
    """Such a file has no values per class, no details, no versions and no parts of the time."""
    for method in ("ce", "spbl_clean"):
        made.save(tmp_path, method, settings=config.preset("fast"), alter=stripped)
    told = page("fast")
    assert "2 complete runs, 0 broken, 0 on other data" in told
    assert "Trial run" not in told
    assert page.marked == []
    assert len(page.pictures) == 4  # scores, differences, ranks, costs
    assert "that made these runs (SHA-256 of its source, not git's): unknown" in told


def stripped(result):
    for key in (
        "details",
        "versions",
        "library_sha256",
        "git_revision",
        "source",
        "synthetic",
        "difficulty",
        "split_origin",
    ):
        del result[key]
    result["fingerprint"]["config"] = {"lr": 0.1}
    result["timing"] = {"seconds": 1.0}


def test_tables_that_cannot_be_written_do_not_take_the_page_with_them(page, tmp_path):
    made.save(tmp_path, recall=[0.9, 0.5, 0.1])
    (tmp_path / "smoke" / "tables").write_text("in the way")
    assert "No tables were written: " in page()


def test_the_page_declares_the_comparison_that_is_made():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    text = next(cell.source for cell in cells if cell.source.startswith("## In short"))
    assert f"`{report.PRIMARY}`" in text
    assert f"`{report.BASELINE}`" in text
    assert report.TITLES[report.METRIC] in text


def test_code_can_be_hidden_on_the_page():
    """The switch on the page finds cells by their tags."""
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert {tag for cell in cells for tag in cell.metadata["tags"]} == {"report-code", "parameters"}
    assert all(cell.metadata["tags"] for cell in cells)
