"""The codec keeps what embedonce asks of every codec."""

from __future__ import annotations

from embedonce import Codec
from embedonce.testing import CodecSuite
from embedonce_acme import codec


class TestCodec(CodecSuite):
    codec = Codec("acme-bf16", "1", codec.encode, codec.decode)
    tolerance = 1 / 128
