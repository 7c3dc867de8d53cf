"""The core of Greenwatch: pure functions on Polars frames, in the order data flows. Only `store` touches a database.

frames         the columns every stage speaks; conform, settle
units          into the parameter's unit
family         a folder as a registry
texts          words for people, Chinese and English
telemetry/     what devices say on a line, a folder a protocol: bytes to messages, leftovers and faults
tables/        what is true everywhere, each row with its source
parameters     what is measured
standards      dated limits, index breakpoints, adoptions
crops          covers, soils, ways of watering
averaging/     means of each kind, with data capture
evapotranspiration  FAO-56 reference evapotranspiration, one function an equation
derivation/    hourly means of some series to hours of another, a file a method
corrections    layers over readings: calibrations, drift, manual verdicts, withdrawals
episodes/      runs of a condition, with hysteresis: what is measured, rules, runs, names that outlive late data
evaluation/    scorers of detectors where anomalies are known, and faults to inject where they are not
hints/         where it may come from: by the wind, emitters, cells of a grid, people's clocks, lags, odours
regions        episodes of stations near one another are one: arrival, core and edge, own share
keeping        how long rows are kept
skill          backtest, gate and bands against the naive forecasts
synthetic/     a made-up district
ingest/        a file a format: bytes to cells and rejects
quality/       readings to verdicts: by a series itself, then beside its neighbours
assessment/    averages and limits to indices, classes, compliance
detection/     steps and dated fits to scores, a file a detector
alarms/        who is told of what: watch(states, evidence, rules, now) -> states, events; a module a kind
incidents      what may become of an incident, who is told next where nobody acknowledges
forecasting/   history to the hours ahead, a file a forecaster
irrigation     soil water of zones, advice, what was saved
spool/         what came in, byte for byte, safe on the disk; the only package that writes files
store/         the only package that speaks SQL, a file a noun
metrics        the only module that speaks Prometheus
"""
