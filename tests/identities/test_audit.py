"""Whatever changes what reaches a provider changes the identity, of every class of a provider that is installed.

The table of what is known is in `identity_audit/known_differences.py`; `make audit` prints what is found.
"""

from __future__ import annotations

import itertools

import pytest
from identity_audit.classes import AUDITED
from identity_audit.comparing import Audit, few, keys
from identity_audit.known_differences import NEEDLESS, REFUSED, SHARED, TWINS, WRONG

PROVIDERS = list(dict.fromkeys(of.provider for of in AUDITED))


def check(audit: Audit, classes) -> None:
    """What was found is what is known, of the classes that are installed."""
    names = {str(of) for of in classes if of.kind() is not None}

    def listed(known):
        return {key for key in known if key[0] in names}

    new = [str(each) for each in audit.wrong if each.variant.key not in WRONG]
    assert not new, "\n".join(["a request changes, and its namespace does not, or names another one:", *new])
    needless = [str(each) for each in audit.needless if each.variant.key not in NEEDLESS]
    assert not needless, "\n".join(["a namespace changes, the request does not, and no reason is listed:", *needless])
    assert listed(WRONG) <= keys(audit.wrong), "is right now: take it out of WRONG"
    assert listed(NEEDLESS) <= keys(audit.needless), "is no longer needless: take it out of NEEDLESS"
    assert audit.bases_not_compared.keys() == REFUSED.keys() & names, "\n".join(audit.bases_not_compared.values())
    assert audit.twins.keys() == TWINS.keys() & names, "sync and async methods send other requests"


def of_provider(provider):
    classes = [of for of in AUDITED if of.provider == provider]
    if all(of.kind() is None for of in classes):
        pytest.skip("not installed")
    return classes


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_changes_a_request_changes_the_identity(provider):
    """With one variant of each setting; classes of one provider share a store, since they may share namespaces."""
    audit, classes = Audit(), of_provider(provider)
    audit.run(classes, few([*WRONG, *NEEDLESS], SHARED))
    check(audit, classes)
    prefixes = {each for of in classes for each in of.providers.split()}
    names = set(itertools.chain.from_iterable(audit.names.values()))
    assert {name.partition("/")[0] for name in names} <= prefixes


def test_no_two_providers_share_namespaces():
    """Else a store for each provider would not show what a store for all of them shows."""
    prefixes = [
        each
        for provider in PROVIDERS
        for each in {e for of in AUDITED if of.provider == provider for e in of.providers.split()}
    ]
    assert len(prefixes) == len(set(prefixes))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_what_changes_a_request_changes_the_identity_in_every_variant():
    """All variants of all classes in one store."""
    audit = Audit()
    audit.run(AUDITED)
    check(audit, AUDITED)
