"""CachedMultiModalEmbedding: the wrapper of models that embed texts and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.bridge.pydantic import Field, SerializeAsAny
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
from typing_extensions import override

from embedonce.identification import check_replay
from llama_index.embeddings.embedonce.base import CachedEmbedding

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import ImageType

    from embedonce import EmbeddingCache
    from embedonce.options import WrapOptions


class CachedMultiModalEmbedding(CachedEmbedding, MultiModalEmbedding):
    """A `CachedEmbedding` of a model that embeds images too.

    Texts are cached. Images are passed on to the model, each time: which bytes of a picture decide its vector
    differs between models.
    """

    inner: SerializeAsAny[MultiModalEmbedding] = Field(description="The embedding model inside.", repr=False)

    @classmethod
    def _check_inner(cls, inner: object) -> None:
        super()._check_inner(inner)
        if not isinstance(inner, MultiModalEmbedding):
            msg = f"inner must be a MultiModalEmbedding, got {type(inner).__name__}; use CachedEmbedding"
            raise TypeError(msg)

    @classmethod
    @override
    def class_name(cls) -> str:
        return "CachedMultiModalEmbedding"

    def get_image_embedding(self, img_file_path: ImageType) -> list[float]:
        """Return the vector of an image, from the model itself."""
        return self._uncached().get_image_embedding(img_file_path)

    async def aget_image_embedding(self, img_file_path: ImageType) -> list[float]:
        """Async twin of `get_image_embedding`."""
        return await self._uncached().aget_image_embedding(img_file_path)

    def get_image_embedding_batch(
        self, img_file_paths: list[ImageType], show_progress: bool = False
    ) -> list[list[float]]:
        """Return the vectors of images, from the model itself."""
        return self._uncached().get_image_embedding_batch(img_file_paths, show_progress=show_progress)

    async def aget_image_embedding_batch(
        self, img_file_paths: list[ImageType], show_progress: bool = False
    ) -> list[list[float]]:
        """Async twin of `get_image_embedding_batch`."""
        return await self._uncached().aget_image_embedding_batch(img_file_paths, show_progress=show_progress)

    def _uncached(self) -> MultiModalEmbedding:
        """Return the model inside, for what bypasses the cache.

        Raises:
            CacheMissError: The mode is `replay`.
        """
        check_replay(self.inner, self.cache, "images are not cached")
        return self.inner

    def _get_image_embedding(self, img_file_path: ImageType) -> list[float]:
        return self.get_image_embedding(img_file_path)

    async def _aget_image_embedding(self, img_file_path: ImageType) -> list[float]:
        return await self.aget_image_embedding(img_file_path)

    def _get_image_embeddings(self, img_file_paths: list[ImageType]) -> list[list[float]]:
        return self.get_image_embedding_batch(img_file_paths)

    async def _aget_image_embeddings(self, img_file_paths: list[ImageType]) -> list[list[float]]:
        return await self.aget_image_embedding_batch(img_file_paths)


def wrapped(embedder: Any, cache: EmbeddingCache, options: WrapOptions) -> BaseEmbedding:
    """Wrap an embedding model in the class that can do what it can do; see `CachedEmbedding.from_cache`."""
    kind = CachedMultiModalEmbedding if isinstance(embedder, MultiModalEmbedding) else CachedEmbedding
    return kind.from_cache(embedder, cache, options)
