"""The suite for adapters, and the model that it puts behind their embedders."""

from embedonce.testing.suites.adapters.harness import WAYS, Api
from embedonce.testing.suites.adapters.model import ModelBehind, ToldToFailError
from embedonce.testing.suites.adapters.suite import AdapterSuite

__all__ = ["WAYS", "AdapterSuite", "Api", "ModelBehind", "ToldToFailError"]
