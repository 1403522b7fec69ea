"""What people read about a bundle: the model card."""

from packager.report.card import model_card

__all__ = ["model_card"]
