"""What is known of Haystack's embedders; see `embedonce.identification`."""

from __future__ import annotations

from embedonce.identification.describing import Describer

describer = Describer({}, package_depth=1, bases=("haystack",))
