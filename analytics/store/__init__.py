"""The store, the only package that speaks SQL.

connection    a connection, and what kind of server it found
migrations    tables made and kept up to date; editions of package tables
guests        tables of a library, in a schema of their own
registry      stations, series, sources
knowledge     what was known when: one order of batches, corrections, changes of the registry
observations/ readings saved and loaded (law 1, 2, 4, 7)
priorities    who is believed where sources disagree
rejects       cells that could not be kept
devices       devices as a listener knows them, and which of their figures are there
keys          who may send and read over HTTP
posts         what became of posts that were answered before they were saved
spools        how far each spool is drained, what waits in it
pulls         what is asked of services, and how it went
emitters      what may emit, and where it is
weather       forecasts of the weather as issued
sandbox       trials of saves that leave no trace
backfills     chunks, how far each is, what a backfill changed
ledger        stale windows: marks, takes, reach
scattered     rows in many windows, of many subjects, over years
derived       verdicts, averages, assessments, scores, episodes and what they stand on
names         public names of episodes and regions, and what became of them
regions       what regions are made of, and where they lie
explained     why there is an episode or a score
derivations   which series are derived, of what, how; who must hear of a change
fits          what detectors learned, dated
alarms        subjects, states of alarms, what they stand on, events, the gauge
incidents/    what duty staff were told of, what they did, work orders
people        who logs in, in which role
planned       the calendar of planned events
arrivals      when readings came
horizon       the line before which readings are closed, and what is sealed or gone
archive       pieces of readings on their way into files and back
retention     rows that are deleted for good when they are old
columnstore   old chunks packed by column, where the server can
doctor/       what must hold in any store
terms         words as short numbers
packing       frames to PostgreSQL and back in blocks of bytes
files         where the SQL lies
errors        what can be wrong
"""
