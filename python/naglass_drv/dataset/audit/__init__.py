"""Audit of a dataset: outliers, contacts, near-duplicates and moments as findings, coverage as tables."""

from .audit import ADVICE, CHECKS, Finding, Limits, audit, audited
from .stresses import work_fault, work_ratio
from .text import table_of

__all__ = ["ADVICE", "CHECKS", "Finding", "Limits", "audit", "audited", "table_of", "work_fault", "work_ratio"]
