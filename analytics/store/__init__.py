"""The store, the only package that speaks SQL.

connection    a connection, and what kind of server it found
migrations    tables made and kept up to date; editions of package tables
registry      stations, series, sources
observations  readings saved and loaded (law 1, 2, 7)
rejects       cells that could not be kept
ledger        stale windows: marks, takes, reach
derived       verdicts, averages, assessments, scores, episodes
fits          what detectors learned, dated
alarms        states of alarms, what they stand on, events, the gauge
terms         words as short numbers
packing       frames to PostgreSQL and back in blocks of bytes
files         where the SQL lies
errors        what can be wrong
"""
