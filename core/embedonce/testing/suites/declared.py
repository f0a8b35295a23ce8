"""The base of all suites: their tests can be replaced or dropped only with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Test = TypeVar("Test", bound=Callable[..., Any])

_REASON = "_embedonce_reason"


class Suite:
    """Base of all suites.

    A subclass inherits every test and may add others. A test with the name of an inherited one has to be declared with
    `overrides` or come from `not_applicable`; otherwise an accidental use of a name would switch a promise off.

    Raises:
        TypeError: A class replaces an inherited test without a declaration, or declares to replace one that is not
            there; raised when the class is created.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in sorted({name for base in cls.__mro__ for name in vars(base) if name.startswith("test_")}):
            first, *others = (base for base in cls.__mro__ if name in vars(base))
            reason = getattr(vars(first)[name], _REASON, None)
            replaced = next((base for base in others if issubclass(base, Suite)), None)
            if replaced and reason is None:
                by = "" if first is cls else f", which inherits {first.__qualname__}.{name},"
                msg = (
                    f"{cls.__qualname__}{by} replaces {name} of {replaced.__qualname__} without saying why: rename the "
                    f'test, put @overrides("reason") above it, or write {name} = not_applicable("reason")'
                )
                raise TypeError(msg)
            if reason is not None and not replaced:
                msg = (
                    f"{cls.__qualname__} declares to replace {name} ({reason}), but none of its suites has a test of "
                    "this name: correct the name, or remove the declaration"
                )
                raise TypeError(msg)


def overrides(reason: str) -> Callable[[Test], Test]:
    """Declare that the test below replaces one of its suite.

    Args:
        reason: Why the suite's own test does not fit.

    Raises:
        ValueError: The reason is empty.
    """
    reason = _checked_reason("overrides", reason)

    def declared(test: Test) -> Test:
        setattr(test, _REASON, reason)
        return test

    return declared


def not_applicable(reason: str) -> Any:
    """Return a test that is reported as skipped, to take the place of one of the suite.

    Args:
        reason: Why the suite's test does not apply; pytest shows it.

    Raises:
        ValueError: The reason is empty.
    """
    reason = _checked_reason("not_applicable", reason)

    @overrides(reason)
    @pytest.mark.skip(reason=reason)
    def test(self: Suite) -> None:
        """Never run."""

    return test


def _checked_reason(asked: str, reason: object) -> str:
    if isinstance(reason, str) and reason.strip():
        return reason
    msg = f'{asked} needs a reason: {asked}("why the test of the suite does not fit"), got {reason!r}'
    raise ValueError(msg)
