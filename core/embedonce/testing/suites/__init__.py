"""Suites of tests for extensions of embedonce: inherit from one, say what is tested, and run pytest."""

try:
    import pytest
except ModuleNotFoundError as error:
    msg = "the suites of embedonce.testing run under pytest, which is not installed: pip install pytest"
    raise ImportError(msg) from error

# Without this, a failed assertion of a suite would not show the values that it compares.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("adapters", "byte_stores", "codecs", "key_encoders", "stored_bytes"))
)
