"""Building, loading and watching small models."""

from __future__ import annotations

import shutil
import string
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, StaticEmbedding, Transformer
from st_constants import COMMIT, OLD_COMMIT, POSITIONS, PROMPTS, WIDTH
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, BertTokenizerFast


class Folders:
    """Folders with models in them.

    Attributes:
        net: A network alone.
        plain: A model without prompts.
        prompted: One with prompts for queries and documents.
        defaulting: One with a prompt before each text, and vectors that are cut.
        half: One whose files hold half precision.
        static: Embeddings of tokens, without a network.
        hub: What the hub's library has downloaded: `acme/tiny`, in two versions, and `acme/defaulting`.
    """

    def __init__(self, top: Path) -> None:
        self.net, self.hub = top / "net", top / "hub"
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase, *",:."]
        vocabulary += [f"##{letter}" for letter in string.ascii_lowercase] + ["query", "passage", "title"]
        torch.manual_seed(1)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=POSITIONS,
        )
        BertModel(config).save_pretrained(self.net)
        (top / "vocab.txt").write_text("\n".join(vocabulary))
        BertTokenizerFast(str(top / "vocab.txt"), model_max_length=POSITIONS).save_pretrained(self.net)
        self.plain = self._save(top / "plain")
        self.prompted = self._save(top / "prompted", prompts=PROMPTS)
        self.defaulting = self._save(
            top / "defaulting", prompts={"all": "title: "}, default_prompt_name="all", truncate_dim=12
        )
        half = SentenceTransformer(str(self.plain), device="cpu").half()
        half.save(str(top / "half"))
        self.half = top / "half"
        words = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2, "one": 3}, unk_token="[UNK]"))
        words.pre_tokenizer = Whitespace()
        self.static = top / "static"
        SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=8)], device="cpu").save(str(self.static))
        for name, source in {"tiny": self.plain, "defaulting": self.defaulting, "static": self.static}.items():
            self.download(f"acme/{name}", source, COMMIT, "main")
        self.download("acme/tiny", self.plain, OLD_COMMIT, "v1")

    def _save(self, folder, **settings):
        modules = [Transformer(str(self.net)), Pooling(WIDTH, "mean"), Normalize()]
        SentenceTransformer(modules=modules, device="cpu", **settings).save(str(folder))
        return folder

    def download(self, name, source, commit, revision):
        """Put a model where the hub's library would have put it."""
        top = self.hub / f"models--{name.replace('/', '--')}"
        shutil.copytree(source, top / "snapshots" / commit)
        (top / "refs").mkdir(exist_ok=True)
        (top / "refs" / revision).write_text(commit)


class Fielded(SentenceTransformer):
    """A class of a user with fields of its own."""

    prompt = None


class Halved(SentenceTransformer):
    """A class of a user, which may do anything."""

    scale = 0.5

    def encode(self, inputs, **arguments):
        return super().encode(inputs, **arguments) * self.scale

    def embed_images(self, images):
        return self[0](self.preprocess(images))


def load(folder, kind=SentenceTransformer, **settings):
    return kind(str(folder), device="cpu", **settings)


def counted(model):
    """Return a list to which the texts are added that reach a model."""
    texts, preprocess = [], model.preprocess

    def watched(inputs, *args, **kwargs):
        texts.extend(inputs)
        return preprocess(inputs, *args, **kwargs)

    model.preprocess = watched
    return texts
