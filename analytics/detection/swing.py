"""How far an hour of the air swings off the one before, for its level: concentrations scatter as much as there is of
them, and a line in their unit that haze keeps within hears of nothing on a clear day."""

from analytics.detection import _residual

NAME = "swing"
SETTING, MAY, REACH = _residual.SETTING, _residual.MAY, _residual.REACH
fit, score = _residual.behind(NAME, lags=(1,))
