"""Every row of the conformance table has its test."""

from __future__ import annotations

import ast
import re

from tests.pages import ROOT, read, section


def test_every_row_of_the_conformance_table_names_a_test_that_exists() -> None:
    tests = {
        node.name
        for path in (ROOT / "tests" / "intake").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    named = set(re.findall(r"`(test_\w+)`", section(read("docs/ingest.md"), "Conformance")))

    assert len(named) >= 15
    assert named <= tests
