"""Where it may come from: hints of a source, each with what it stands on. A hint sends somebody to look, no more.

winds.py        values by the wind they came with: sectors, cells of direction and speed, smooth curves and surfaces
chance.py       how often days of other weather do as well: the test that the hints below share
candidates.py   registered emitters, by how much more often it is high with the wind from them
grid.py         cells of a grid above their neighbours: by hour of the day, and the list of those to visit now
signature.py    work hours, nights, meals, weekdays: by whose clock it rises
lags.py         how long what leaves an outfall takes to a section, and whether it does
odours.py       whether it is high when people smell something

All are pure functions of frames; hours are named by their start, null is missing, NaN is refused (`frames.conform`).
"""
