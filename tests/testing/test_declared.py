"""Nobody drops or replaces a test of a suite without saying so; and what `embedonce.testing` loads when."""

from __future__ import annotations

import subprocess
import sys

import pytest

import embedonce.testing
from embedonce.testing import not_applicable, overrides
from embedonce.testing.suites.declared import Suite

LATE = {"AdapterSuite", "ByteStoreSuite", "CodecSuite", "FaultyStore", "KeyEncoderSuite", "not_applicable", "overrides"}


class Standard(Suite):
    def test_one(self):
        raise AssertionError

    def test_other(self):
        pass


def subclass(*bases, **attributes):
    return type("TestMine", bases, attributes)


@pytest.mark.parametrize("test", [None, lambda self: None, property(lambda self: None), Standard.test_other])
def test_a_test_is_not_replaced_in_silence(test):
    with pytest.raises(TypeError, match=r"TestMine replaces test_one of Standard.*@overrides\(\"reason\"\)") as caught:
        subclass(Standard, test_one=test)
    assert 'test_one = not_applicable("reason")' in str(caught.value)


def test_a_test_may_be_replaced_out_loud(outcomes):
    replaced = subclass(Standard, test_one=overrides("this store is different")(lambda self: None))
    assert outcomes(replaced) == {"passed": 2}


def test_a_test_that_does_not_apply_is_skipped_with_the_reason(run_suite):
    outcomes, text = run_suite(subclass(Standard, test_one=not_applicable("there are no threads here")))
    assert outcomes == {"passed": 1, "skipped": 1}
    assert "there are no threads here" in text


def test_a_test_that_does_not_apply_needs_none_of_its_fixtures_and_parameters(run_suite):
    class Needing(Suite):
        @pytest.fixture
        def server(self):
            raise AssertionError

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(self, server, number):
            raise AssertionError

    assert run_suite(subclass(Needing, test_it=not_applicable("no server")))[0] == {"skipped": 1}


def test_tests_of_ones_own_and_other_attributes_are_free(outcomes):
    own = subclass(
        Standard, test_own=lambda self: None, helper=1, test_one=overrides("has to pass here")(lambda self: None)
    )
    assert outcomes(subclass(own, test_further=lambda self: None)) == {"passed": 4}


def test_every_level_has_to_declare_for_itself():
    middle = subclass(Standard, test_own=lambda self: None, test_one=not_applicable("at all"))
    subclass(middle)
    subclass(middle, test_one=overrides("it is, here")(lambda self: None))
    for name in ("test_one", "test_own"):
        with pytest.raises(TypeError, match=f"replaces {name} of TestMine"):
            subclass(middle, **{name: lambda self: None})


def test_a_class_beside_the_suite_replaces_nothing_in_silence():
    class Beside:
        def test_one(self):
            pass

    with pytest.raises(TypeError, match=r"TestMine, which inherits .*Beside\.test_one, replaces test_one of Standard"):
        subclass(Beside, Standard)
    subclass(Standard, Beside)

    class OutLoud:
        test_one = not_applicable("for all stores of this kind")

    subclass(OutLoud, Standard)


def test_two_suites_may_be_joined_unless_they_hide_tests_of_each_other():
    class Further(Suite):
        def test_further(self):
            pass

    class Same(Suite):
        def test_one(self):
            pass

    subclass(Standard, Further)
    with pytest.raises(TypeError, match=r"replaces test_one of .*Same without"):
        subclass(Standard, Same)


@pytest.mark.parametrize("declared", [not_applicable("no"), overrides("no")(lambda self: None)])
def test_a_declaration_has_to_replace_something(declared):
    """A test that has got another name would run again, unnoticed."""
    with pytest.raises(TypeError, match=r"TestMine declares to replace test_uno \(no\).*correct the name"):
        subclass(Standard, test_uno=declared)


@pytest.mark.parametrize("reason", ["", "  \n", None, 7, lambda self: None])
@pytest.mark.parametrize("declare", [overrides, not_applicable])
def test_a_declaration_needs_a_reason(declare, reason):
    with pytest.raises(ValueError, match=f"{declare.__name__} needs a reason"):
        declare(reason)


# -- What is loaded ------------------------------------------------------------------------------------------------


def test_every_public_name_is_there():
    assert embedonce.testing.__all__ == sorted(embedonce.testing.__all__)
    assert set(embedonce.testing.__all__) <= set(dir(embedonce.testing))
    assert set(embedonce.testing.__all__) >= LATE
    for name in embedonce.testing.__all__:
        assert getattr(embedonce.testing, name).__name__ == name
    with pytest.raises(AttributeError, match=r"module 'embedonce\.testing' has no attribute 'NoSuite'"):
        _ = embedonce.testing.NoSuite


def run(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_embedders_are_there_without_pytest_and_suites():
    names = "[name for name in sys.modules if name.split('.')[0] in ('pytest', '_pytest') or '.suites' in name]"
    done = run(f"import sys, embedonce.testing; dir(embedonce.testing); print({names}, 'embedonce.testing.stores')")
    assert done.stdout == "[] embedonce.testing.stores\n", done.stderr


def test_a_faulty_store_needs_no_pytest():
    done = run(
        "import sys; sys.modules['pytest'] = None; from embedonce.testing import FaultyStore as F; F().mget(['a'])"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(LATE - {"FaultyStore"}))
def test_without_pytest_the_suites_say_what_to_install(name):
    done = run(f"import sys; sys.modules['pytest'] = None; from embedonce.testing import {name}")
    assert "ImportError: the suites of embedonce.testing run under pytest" in done.stderr
    assert "pip install pytest" in done.stderr


@pytest.mark.parametrize("name", sorted(LATE))
def test_a_suite_needs_nothing_but_pytest(name):
    """Nothing of what this repository's own tests use is needed, nor a framework."""
    others = ("hypothesis", "pytest_asyncio", "langchain_core", "llama_index", "haystack", "s3fs", "rich", "typer")
    hidden = "; ".join(f"sys.modules[{other!r}] = None" for other in others)
    done = run(f"import sys; {hidden}; import embedonce.testing; embedonce.testing.{name}")
    assert done.returncode == 0, done.stderr
