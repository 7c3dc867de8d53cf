"""The core of Greenwatch: pure functions on Polars frames, in the order data flows. Only `store` touches a database.

frames        the columns every stage speaks; conform, settle
units         into the parameter's unit
family        a folder as a registry
texts         words for people, Chinese and English
tables/       what is true everywhere, each row with its source
parameters    what is measured
standards     dated limits, index breakpoints, adoptions
averaging     means of each kind, with data capture
synthetic     a made-up winter for the demo
ingest/       a file a format: bytes to cells and rejects
quality       readings to verdicts
assessment    averages and limits to indices
store/        the only package that speaks SQL, a file a noun
"""
