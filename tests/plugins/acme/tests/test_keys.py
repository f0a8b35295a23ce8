"""The key encoder keeps what embedonce asks of every key encoder."""

from __future__ import annotations

from embedonce.testing import KeyEncoderSuite


class TestKeyEncoder(KeyEncoderSuite):
    encoder = "lowercase-sha256"
    version = "1"
    equal = (("A text", "a  TEXT"), (" a\ttext\n", "a text"), ("", " \n"))

    def normal_form(self, text):
        return " ".join(text.lower().split())
