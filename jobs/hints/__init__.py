"""Hints of a source for people: what is read for them, and how they are told.

reading.py    hours of stations, the wind beside them, what is registered
told.py       a hint as a sentence; words.py has them in both languages
picture.py    a polar plot as SVG
cli.py        `greenwatch hints`
"""
