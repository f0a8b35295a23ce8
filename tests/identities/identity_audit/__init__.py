"""The audit of identities: whatever changes what reaches a provider must change the identity.

Run it with `make audit`, or `python -m identity_audit NAME…` in `tests/identities` for classes whose names hold one of
the arguments.
"""
