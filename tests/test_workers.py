"""How the tests are shared among workers."""

import pytest


def test_tests_of_one_file_run_on_one_worker(request: pytest.FixtureRequest) -> None:
    """Else every worker starts every server and trains every model that they share: pytest-xdist
    3.8 does not know pytest 9.2's ids of tests, and groups none."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs them all")
    assert request.node.nodeid.endswith("@test_workers")
