"""One model a parameter over all its stations: gradient-boosted trees, direct by lead, and small networks beside.

Both are scikit-learn's. They learn how what came differs from damped persistence around the wave of the day, on the
scale of the parameter, three times: each time without every third block of weeks. There it is seen, in units, how
far to trust either at each lead; and there, in the past that it was taught, it is tested by the one that was not
taught that block, so that no test flatters it. Both learn the middle of what may come: of it the mean absolute error
is least. Of later times the mean of all is said, between fitted leads by straight line.

fit         what was learned, and how it is kept as bytes
trees       gradient-boosted trees as arrays
network     a small network of all leads
blocks      the thirds of the calendar
hands       several at a time
learning    a panel to a fit
telling     a fit and a panel to the hours ahead
"""

from analytics.forecasting._boosting.fit import LEADS, Fit, Shape, pack, shape_of, unpack
from analytics.forecasting._boosting.learning import enough, learn
from analytics.forecasting._boosting.telling import forecast

NAME = "boosting"

__all__ = ["LEADS", "NAME", "Fit", "Shape", "enough", "forecast", "learn", "pack", "shape_of", "unpack"]
