"""What is known of LangChain's embedders; see `embedonce.identification`."""

from embedonce.identification import Describer
from langchain_embedonce.providers import ROWS

describer = Describer(ROWS, bases=("langchain_core",))
