"""Self-paced balance learning (SPBL), taught and reproduced in notebooks; docs/architecture.md maps its rooms."""

__version__ = "0.1.0"
