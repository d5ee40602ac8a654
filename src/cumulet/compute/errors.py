"""Compute's error body and its sentence for what is not there: those that it shares with Volume."""

from __future__ import annotations

from cumulet.kernel.named_faults import error_body, not_found

__all__ = ["error_body", "not_found"]
