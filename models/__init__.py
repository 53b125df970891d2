"""Models by name. A model is one file here and one line in ``MODELS``."""

from models.bert4rec import BERT4Rec

MODELS = {"BERT4Rec": BERT4Rec}
