"""Vectors of the cache in the form that `encode` would have given them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sentence_transformers_embedonce.calls import Call

_PACKED = {"binary": np.dtype(np.int8), "ubinary": np.dtype(np.uint8)}


@dataclass(slots=True)
class Form:
    """The form that a call asks for.

    Attributes:
        call: The call.
        dtype: Of a tensor that it returns.
        device: On which a tensor that it returns is.
    """

    call: Call
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, model: Any, call: Call) -> Form:
        """Return the form in which a model would answer, without asking it."""
        dtype = model.dtype or torch.float32
        device, given = model.device, call.arguments.get("device")
        if call.arguments.get("pool") is not None or isinstance(given, list | tuple):
            # Other processes hand over what they have computed in the memory of this one.
            device = torch.device("cpu")
        elif given is not None:
            device = torch.device(given)
        return cls(call, dtype, device)

    @property
    def packed(self) -> np.dtype[Any] | None:
        """The type of vectors that are packed into bits; None for plain numbers."""
        return _PACKED.get(str(self.call.arguments.get("precision")))

    @property
    def as_tensor(self) -> bool:
        """True if one tensor is wanted."""
        return bool(self.call.arguments.get("convert_to_tensor"))

    @property
    def as_array(self) -> bool:
        """True if a numpy array is wanted."""
        return not self.as_tensor and bool(self.call.arguments.get("convert_to_numpy"))

    def arguments(self) -> dict[str, Any]:
        """Return the arguments with which the model is asked for what is missing."""
        # A tensor says of which type the numbers are; packed ones are made by numpy.
        is_packed = self.packed is not None
        return {**self.call.given, "convert_to_numpy": is_packed, "convert_to_tensor": not is_packed}

    def matrix(self, answer: Any) -> NDArray[Any]:
        """Return an answer as an array that holds its numbers exactly."""
        if isinstance(answer, torch.Tensor):
            answer = answer.detach()
            return np.asarray((answer.float() if answer.dtype is torch.bfloat16 else answer).cpu().numpy())
        return np.asarray(answer)

    def agrees(self, answer: Any) -> bool:
        """Tell whether an answer has the type that was expected."""
        if isinstance(answer, torch.Tensor):
            return self.packed is None and answer.dtype is self.dtype
        if not isinstance(answer, np.ndarray):
            return False
        # A method of a subclass need not heed that it is asked for tensors.
        return bool(answer.dtype == (self.packed or str(self.dtype).removeprefix("torch.")))

    def learn(self, answer: Any) -> None:
        """Expect the type of an answer from now on."""
        if isinstance(answer, torch.Tensor):
            self.dtype = answer.dtype

    def give(self, matrix: NDArray[Any]) -> Any:
        """Return vectors, shape (n, d), in the form that is wanted."""
        if self.packed is not None:
            numbers = matrix.astype(self.packed)
            vectors: Any = numbers if self.as_array else self._tensor(numbers)
        elif self.as_array:
            # numpy has no bfloat16, so that the model gives float32.
            is_half = self.dtype is torch.bfloat16
            vectors = matrix.astype(np.float32 if is_half else str(self.dtype).removeprefix("torch."))
        else:
            vectors = self._tensor(matrix).to(self.dtype).to(self.device)
        if not self.as_array and not self.as_tensor:
            vectors = list(vectors)
        return vectors[0] if self.call.is_single else vectors

    def _tensor(self, matrix: NDArray[Any]) -> torch.Tensor:
        # As the model makes them, whose answers no gradient goes through.
        return torch.from_numpy(np.ascontiguousarray(matrix))
