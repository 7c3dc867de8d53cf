"""How far a reading jumps off the one before it: spikes, steps, sensors that fall to zero."""

from analytics.detection import _residual

NAME = "one-step"
SETTING, MAY, REACH = _residual.SETTING, _residual.MAY, _residual.REACH
fit, score = _residual.behind(NAME, lags=(1,))
