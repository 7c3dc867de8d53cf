"""Made-up data, said to be made up wherever it shows: a district of all domains.

Nothing here was measured anywhere. `District` is what `greenwatch simulate` gives out; codes of its stations begin with
PREFIX.
"""

from analytics.synthetic.district import District
from analytics.synthetic.layout import PREFIX

__all__ = ["PREFIX", "District"]
