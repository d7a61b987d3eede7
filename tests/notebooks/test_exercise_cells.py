"""The exercises in the notebooks: numbered, complete, folded, in their place, and checked by a checker of their own."""

import re

import nbformat
import pytest
from exercise_cells import ALL, FOLDER

from spbl_nb import exercises
from spbl_nb.batch import page as html_pages

CHAPTERS = sorted({exercise.notebook for exercise in ALL})


def test_every_checker_is_used_once():
    used = [exercise.checker for exercise in ALL]
    assert sorted(used) == sorted(name for name in vars(exercises) if name.startswith("check_"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_two_or_three_numbered_exercises_before_its_end(chapter):
    own = [exercise.number for exercise in ALL if exercise.notebook == chapter]
    assert own == [f"{int(chapter[:2])}.{k}" for k in range(1, len(own) + 1)]
    assert 2 <= len(own) <= 3
    cells = [cell.source for cell in nbformat.read(FOLDER / f"{chapter}.ipynb", as_version=4).cells]
    headings = [line for text in cells for line in re.findall(r"^##+ .+$", text, flags=re.MULTILINE)]
    at = headings.index("## Exercises")
    assert headings[at + len(own) + 1] == "## What you learned"


@pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.number)
def test_an_exercise_says_what_is_asked_and_how_hard_it_is(exercise):
    assert re.search(r"\n\*Difficulty [1-5] of 5, importance [1-5] of 5, about \d+ minutes\.\*\n", exercise.task)
    assert f"`{exercise.function}(" in exercise.task
    assert re.search(r"`(int|float|bool|uint8)(\[|`)", exercise.task), "no shape or type of what is returned"
    assert len(exercise.stub.splitlines()) <= 7
    assert exercise.function in exercise.solution
    assert f"exercise {exercise.number}" in getattr(exercises, exercise.checker).__doc__


@pytest.mark.parametrize("chapter", CHAPTERS[:1])
def test_hint_and_solution_are_folded_on_the_page(chapter, tmp_path):
    page = tmp_path / "page.html"
    html_pages.to_html(FOLDER / f"{chapter}.ipynb", page)
    text = page.read_text(encoding="utf-8")
    own = [exercise for exercise in ALL if exercise.notebook == chapter]
    folds = re.findall(r"<details><summary>(\w+)</summary>(.+?)</details>", text, flags=re.DOTALL)
    assert [name for name, _ in folds] == ["Hint", "Solution"] * len(own)
    for exercise, (_, content) in zip(own, folds[1::2], strict=True):
        plain = re.sub(r"<[^>]+>", "", content)
        assert f"def {exercise.function}(" in plain
        assert "```" not in plain
        assert 'class="highlight' in content
