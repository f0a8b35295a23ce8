"""What is known of Haystack's embedders; see `embedonce.identification`."""

from __future__ import annotations

from typing import Any, Literal

from embedonce.errors import IdentityError
from embedonce.identification import (
    Describer,
    Description,
    UnclearSettingError,
    fields_of,
    ignored,
    without_underscores,
)
from haystack_integrations.components.embedders.embedonce.parameters import init_parameters
from haystack_integrations.components.embedders.embedonce.providers import ROWS
from haystack_integrations.components.embedders.embedonce.providers.refused import FILES, SPARSE

_NAMES_THE_MODEL = ("model", "model_name", "model_id", "model_name_or_path")
# How a request travels or how a run is shown, in Haystack's words; the core knows those that others use too.
_OPERATIONAL_NAMES = """
boto3_config gcp_project_id gcp_region_name is_pipeline_async is_warmed_up max_tokens_total raise_on_failure time_sleep
use_grpc vertex_ai_location vertex_ai_project warmed_up
"""
_OPERATIONAL = frozenset(_OPERATIONAL_NAMES.split())
_LATE = "with late chunking, vectors depend on the other texts of the call"


class HaystackDescriber(Describer):
    """Describes components: those that are not known by their init parameters."""

    def how_known(self, component: object) -> Literal["exactly", "as a subclass", "not"]:
        """Return whether the table knows the class of a component or one that it inherits from."""
        kind: type = type(component)
        known = self._known(kind)
        if known is None:
            return "not"
        return "exactly" if known.base is kind else "as a subclass"

    def _package_and_name(self, kind: type) -> tuple[str, str]:
        # Anybody may add a package below `haystack_integrations`, with a class of a name that is known from another.
        parts = kind.__module__.split(".")
        return ".".join(parts[: 4 if parts[0] == "haystack_integrations" else 1]), kind.__name__

    def fingerprint(self, embedder: object) -> object:
        """See `Describer`; it also answers for a component that cannot be described and has a namespace instead."""
        try:
            return super().fingerprint(embedder)
        except (UnclearSettingError, IdentityError) as error:
            return (type(embedder), "unclear", str(error))

    def _describe(self, embedder: object) -> Description:
        if self.how_known(embedder) == "not":
            refused = _refused(embedder) or self._refused_inside(embedder)
            if refused:
                return Description(None, not_cacheable=refused)
        return super()._describe(embedder)

    def _refused_inside(self, embedder: object) -> str:
        for each in init_parameters(embedder)[1]:
            refused = self.describe(each).not_cacheable if self.is_known(each) else _refused(each)
            if refused:
                return refused
        return ""

    def _fields(self, embedder: object, below: type | None = None) -> dict[str, Any]:
        if below is not None:
            # A subclass may use any attribute, and a `to_dict` that it inherits need not include it.
            return _counting(super()._fields(embedder, below))
        parameters, inside = init_parameters(embedder)
        parameters = {name: value for name, value in parameters.items() if name not in ignored(embedder)}
        # An instance without attributes shows the constants of its classes.
        constants = fields_of(object.__new__(type(embedder)), self._bases)
        found = {**constants, **_counting(parameters)}
        for position, each in enumerate(inside):
            # With what only its row knows, such as an endpoint from the environment; or with what is left out of the
            # dictionary that it is part of.
            is_known = self.is_known(each)
            found[f"inside {position}"] = (
                str(self.describe(each).identity) if is_known else _counting(init_parameters(each)[0])
            )
        if not any(without_underscores(name) in _NAMES_THE_MODEL for name in found):
            model = next((name for name in map(_model_inside, found.values()) if name), None)
            if model:
                found["model"] = model
        return found


def _counting(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _counting_inside(value)
        for name, value in parameters.items()
        if without_underscores(name) not in _OPERATIONAL
    }


def _counting_inside(value: Any) -> Any:
    if isinstance(value, dict):
        return _counting(value)
    return [_counting_inside(each) for each in value] if isinstance(value, list) else value


def _model_inside(value: Any) -> str:
    """Return the first name of a model in the parameters of components inside; empty if there is none."""
    if isinstance(value, dict):
        for name in _NAMES_THE_MODEL:
            if isinstance(value.get(name), str) and value[name]:
                return str(value[name])
        value = list(value.values())
    return next(filter(None, map(_model_inside, value)), "") if isinstance(value, list) else ""


def _refused(component: object) -> str:
    """Return why the vectors of an unknown component must not be cached; empty if they may be."""
    own = getattr(component, "__dict__", {})
    if own.get("late_chunking"):
        return _LATE
    if "file_path_meta_field" in own:
        return FILES
    sockets = getattr(own.get("__haystack_output__"), "_sockets_dict", {})
    return SPARSE if "sparse_embedding" in sockets else ""


describer = HaystackDescriber(ROWS, bases=("haystack",))
