"""The classes that are audited, and what each needs to be built."""

from __future__ import annotations

from identity_audit.classes import by_fields_rows, haystack_rows, langchain_rows, llamaindex_rows, sdk_rows
from identity_audit.classes.audited import AuditedClass

AUDITED: list[AuditedClass] = [
    *langchain_rows.AUDITED,
    *llamaindex_rows.AUDITED,
    *haystack_rows.AUDITED,
    *sdk_rows.AUDITED,
    *by_fields_rows.AUDITED,
]
