"""What axe-core finds in a page: rules of WCAG 2.1, levels A and AA, among them contrast and names of controls.

axe comes with the package axe-playwright-python and is injected into the page; nothing is fetched.
"""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def violations(page, within: str | None = None, best_practice: bool = False) -> list[str]:
    """Return one text per violation in the page, or in the elements that ``within`` selects: rule, element, what to do.

    ``best_practice`` adds axe's rules of that name, and those of WCAG 2.2.
    """
    from axe_playwright_python.sync_playwright import Axe

    rules = RULES + ["wcag22aa", "best-practice"] * best_practice
    found = Axe().run(page, context=within, options={"runOnly": rules, "resultTypes": ["violations"]})
    return [
        f"{one['id']}: {node['html'][:160]} - {' '.join(node['failureSummary'].split())[:400]}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]
