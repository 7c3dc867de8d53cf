"""How far a reading departs from the median of some of the 24 before it: what lasts, and what comes slowly.

Not among the shipped members: beside them it finds hardly an event more (F1 of Logan River stays 0.51, of Apalachicola
0.77), and of GECCO's water works some more that are none (0.97 to 0.92).
"""

from analytics.detection import _residual

NAME = "departure"
SETTING, MAY, REACH = _residual.SETTING, _residual.MAY, _residual.REACH
fit, score = _residual.behind(NAME, lags=(1, 4, 8, 16, 24))
