"""The HTTP side of greenwatch: readings in, state out. It speaks to the store, never to a stage.

app        the routes composed, and what they share through their life
site       pools, newest snapshot, what is remembered of the registry: `site(request)` in a handler
prompt     how long a connection may say nothing
guard      who may ask: Host, Origin, token
meter      how many answers, of what kind, how fast
intake     POST /observations
service    GET /healthz, GET /metrics
pages      what people look at
shared     what is made once for all who look
watcher    the thread that keeps the snapshot fresh
"""
