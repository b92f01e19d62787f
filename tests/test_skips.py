"""Skips under continuous integration, in small test suites of their own."""

from __future__ import annotations

import pytest

from tests.skips import EXEMPT

HOOKS = "from tests.skips import pytest_make_collect_report, pytest_runtest_makereport"
MARKED = """
import pytest

@pytest.mark.{marker}
def test_of_this_machine():
    pytest.skip("not here")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty suite that runs under CI and has the hooks."""
    monkeypatch.setenv("CI", "1")
    pytester.makeconftest(HOOKS)
    pytester.makeini(
        "[pytest]\nmarkers =\n" + "".join(f"    {name}\n" for name in (*EXEMPT, "ray"))
    )
    return pytester


@pytest.mark.parametrize(("ci", "failed"), [("1", 1), ("true", 1), ("0", 0), ("", 0)])
def test_a_skip_fails_only_where_ci_is_set(
    ci: str, failed: int, suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    suite.makepyfile(MARKED.format(marker="ray"))

    result = suite.runpytest_inprocess()

    result.assert_outcomes(failed=failed, skipped=1 - failed)


@pytest.mark.parametrize("marker", sorted(EXEMPT))
def test_what_ci_cannot_have_may_be_skipped(marker: str, suite: pytest.Pytester) -> None:
    suite.makepyfile(MARKED.format(marker=marker))

    result = suite.runpytest_inprocess()

    result.assert_outcomes(skipped=1)


@pytest.mark.parametrize(
    "body",
    [
        "import pytest\n@pytest.mark.skip(reason='not here')\ndef test_x(): pass",
        "import pytest\n@pytest.fixture\ndef x(): pytest.skip('not here')\ndef test_x(x): pass",
    ],
    ids=["by its decorator", "by its fixture"],
)
def test_a_skip_before_the_test_begins_fails_too(body: str, suite: pytest.Pytester) -> None:
    suite.makepyfile(body)

    result = suite.runpytest_inprocess()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*skips are failures where CI is set. Skipped: not here*"])


def test_a_module_that_skips_itself_fails(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\npytest.importorskip('no_such_library')")

    result = suite.runpytest_inprocess()

    result.assert_outcomes(errors=1)


def test_an_expected_failure_is_no_skip(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_x(): assert False")

    result = suite.runpytest_inprocess()

    result.assert_outcomes(xfailed=1)
