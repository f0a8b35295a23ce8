"""Which classes embedonce knows, and which of them are audited."""

from __future__ import annotations

import inspect
from importlib import import_module, metadata
from typing import Any, NamedTuple

from identity_audit.classes import AUDITED, by_fields_rows
from identity_audit.doors.sdks import CALLS
from identity_audit.known_differences import REFUSED
from identity_audit.not_audited import NOT_AUDITED

_DESCRIBERS = {
    "langchain": "langchain_embedonce.identities",
    "llamaindex": "llama_index.embeddings.embedonce.identities",
    "haystack": "haystack_integrations.components.embedders.embedonce.identities",
}
_TITLES = {"langchain": "LangChain", "llamaindex": "LlamaIndex", "haystack": "Haystack", "sdk": "SDK"}


class Entry(NamedTuple):
    """One class, or a pair of them, as the page of tested versions lists it.

    Attributes:
        framework: Of which it is.
        name: Its name, or both.
        package: The distribution that has it.
        provider: The first part of its namespaces; empty where it depends on the class or the model.
        how: How it is identified, and why it is refused if it is.
        audited: Its name in the audit; empty if it is not audited.
        remark: Why it is not audited.
        is_there: True if the installed version of the package has it.
    """

    framework: str
    name: str
    package: str
    provider: str
    how: str
    audited: str
    remark: str
    is_there: bool

    @property
    def version(self) -> str:
        """The installed version of the package; empty if that is not installed or has no such class any more."""
        try:
            if not self.is_there:
                return ""
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return ""


def known() -> list[tuple[str, str, str, Any]]:
    """Return all classes that embedonce knows: framework, package, name, and what is known."""
    return [
        (framework, package, name, row)
        for framework, module in _DESCRIBERS.items()
        for (package, name), row in import_module(module).describer._rows.items()
    ]


def entries() -> list[Entry]:
    """Return all classes that are known or audited, the two entries of one class as one."""
    by_fields, audited, found = set(map(str, by_fields_rows.AUDITED)), set(), []
    for of in AUDITED:
        package = of.path.rpartition(".")[0]
        names = of.door.names(of.path)
        audited.update((of.framework, _package(of.framework, package), name) for name in names)
        if of.variant:
            continue
        is_by_fields = str(of) in by_fields
        how = "by its fields" if is_by_fields else f"refused: {REFUSED[str(of)]}" if str(of) in REFUSED else "known"
        provider, title = "" if is_by_fields else of.provider, _TITLES[of.framework]
        found.append(Entry(title, _joined(names), _distribution(package), provider, how, str(of), "", is_there=True))
    for framework, package, name, row in known():
        document = name.replace("TextEmbedder", "DocumentEmbedder")
        if (framework, package, name) in audited or (name == document and name.endswith("DocumentEmbedder")):
            continue
        names = [name] if name == document else [document, name]
        refused, remark = _refused(row), NOT_AUDITED.get((framework, name), "")
        how = f"refused: {refused}" if refused else "known"
        is_there = package != "haystack" or hasattr(import_module("haystack.components.embedders"), name)
        title = _TITLES[framework]
        found.append(Entry(title, _joined(names), _distribution(package), "", how, "", remark, is_there=is_there))
    for (framework, path), remark in NOT_AUDITED.items():
        if framework == "sdk":
            name, package = f"`{path.rpartition('.')[2]}`", _distribution(path)
            found.append(Entry(_TITLES["sdk"], name, package, "", "known", "", remark, is_there=True))
    return sorted(found, key=lambda each: (each.framework, each.name.lower(), each.package))


def forgotten() -> list[str]:
    """Return the known classes that are neither audited nor listed with a reason."""
    audited = {
        (of.framework, _package(of.framework, of.path.rpartition(".")[0]), name)
        for of in AUDITED
        for name in of.door.names(of.path)
    }
    classes = [
        f"{framework}: {package}.{name}"
        for framework, package, name, row in known()
        if (framework, package, name) not in audited and (framework, name) not in NOT_AUDITED and not _refused(row)
    ]
    return classes + [f"sdk: {path}" for path in clients() if path not in CALLS and ("sdk", path) not in NOT_AUDITED]


def clients() -> list[str]:
    """Return the classes of clients, and the functions, that the adapter for SDKs knows, without their async twins."""
    sdks, functions = import_module("sdks_embedonce.clients"), import_module("sdks_embedonce.functions")
    found = []
    for package, name in sdks._PACKAGES.items():
        try:
            sdk = import_module(f"sdks_embedonce.clients.{name}").SDK
        except ImportError:
            continue
        # Where the package itself has no class of its clients.
        module = "mistralai.client" if package == "mistralai" else package
        for kind in sdk.classes:
            # Others are parts of clients, and are asked through them.
            is_client = getattr(import_module(module), kind.__name__, None) is kind
            if is_client and not kind.__name__.startswith("Async"):
                found.append(f"{module}.{kind.__name__}")
    return found + [f"{package}.{names[0]}" for package, names in functions._FUNCTIONS.items()]


def _refused(row: Any) -> str:
    """Return why no embedder of a class is cached, whatever its settings; empty if some are."""
    if inspect.signature(row.describe).parameters:
        return ""
    try:
        return str(getattr(row.describe(), "not_cacheable", ""))
    except ValueError as error:
        return str(error)


def _package(framework: str, module: str) -> str:
    """Return the package of a class as the tables of known classes name it."""
    parts = module.split(".")
    depth = {"llamaindex": 3, "haystack": 4 if parts[0] == "haystack_integrations" else 1}.get(framework, 1)
    return ".".join(parts[:depth])


def _distribution(module: str) -> str:
    """Return the distribution that has a module."""
    parts = module.split(".")
    last = parts[min(3, len(parts) - 1)].replace("_", "-")
    if parts[0] == "haystack_integrations":
        return f"{last}-haystack"
    if parts[:2] == ["llama_index", "embeddings"]:
        return f"llama-index-embeddings-{parts[2].replace('_', '-')}"
    own = {"haystack": "haystack-ai", "llama_index": "llama-index-core", "google": "google-genai"}
    return own.get(parts[0], parts[0].replace("_", "-"))


def _joined(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
