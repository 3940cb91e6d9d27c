"""What the studies published, and what can be said of it after our own runs."""

from kerasexp.published.claim import Claim
from kerasexp.published.claims import claims, claims_for, studies
from kerasexp.published.comparison import comparable
from kerasexp.published.rows import Row, rows
from kerasexp.published.tables import tally

__all__ = ["Claim", "Row", "claims", "claims_for", "comparable", "rows", "studies", "tally"]
