"""How far a reading departs from the median of some of the 24 before it: what lasts, and what comes slowly.

Not among the shipped members: beside them it finds hardly an event more on the shared sets, and is another alarm of
most that are found.
"""

from analytics.detection import _residual

NAME = "departure"
SETTING, MAY, REACH = _residual.SETTING, _residual.MAY, _residual.REACH
fit, score = _residual.behind(NAME, lags=(1, 4, 8, 16, 24))
