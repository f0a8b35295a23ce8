"""What is known of a class that is audited."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from identity_audit.doors.frameworks import DOORS

KEY = "s3cr3t-0123456789"
GATEWAY = "http://gateway.test/v1"
AWS = {"region_name": "us-east-1", "aws_access_key_id": KEY, "aws_secret_access_key": KEY}
MPNET = "sentence-transformers/all-mpnet-base-v2"


class Made:
    """A value that is made anew for each embedder.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __repr__(self) -> str:
        return f"{self.make.__name__.strip('_')}()"


@dataclass(frozen=True)
class AuditedClass:
    """A class of a framework, or a client of an SDK.

    Attributes:
        framework: Name of its door.
        path: Module and name; of Haystack's two components, what follows `Text` and `Document` is left out.
        providers: What the first parts of its namespaces are; no class of another provider has them.
        needs: Settings that each embedder has.
        bases: Setups in which each setting is varied.
        choices: Values of settings whose types do not tell them.
        modules: Modules whose globals count, beside those of the clients that are found inside.
        variant: What tells two entries of one class apart.
    """

    framework: str
    path: str
    providers: str
    needs: dict[str, Any] = field(default_factory=dict)
    bases: tuple[dict[str, Any], ...] = ({},)
    choices: dict[str, list[Any]] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    variant: str = ""

    def __str__(self) -> str:
        name = self.path.rpartition(".")[2]
        package = f"{self.path.split('.')[0]}." if self.framework == "sdk" or "community" in self.path else ""
        return f"{self.framework}:{package}{name}{self.variant and f'-{self.variant}'}"

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def door(self) -> Any:
        """The way to ask."""
        return DOORS[self.framework]

    @property
    def provider(self) -> str:
        """The provider after which it is grouped."""
        return self.providers.split()[0]

    @cache  # noqa: B019 - there is one object for each class, and they are never let go
    def kind(self) -> Any:
        """Return the class, or both of a pair; None if it is not installed."""
        package = self.path.rpartition(".")[0]
        try:
            with warnings.catch_warnings():
                # Such as of packages that are not maintained any more.
                warnings.simplefilter("ignore")
                module = importlib.import_module(package)
        except ImportError:
            return None
        found = [getattr(module, each, None) for each in self.door.names(self.path)]
        return None if None in found else found if len(found) > 1 else found[0]

    def given(self, base: int) -> dict[str, Any]:
        """Return the settings of one of its setups."""
        needs = {name: value.make() if isinstance(value, Made) else value for name, value in self.needs.items()}
        return needs | copy.deepcopy(self.bases[base])


def gateway(name: str) -> tuple[dict[str, Any], ...]:
    """The provider itself and a gateway at a URL of one's own."""
    return {}, {name: GATEWAY}
