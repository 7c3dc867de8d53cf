"""What duty staff do about incidents, by whatever way they say it.

acts        one action: what is there, whether it goes, and what is kept of it
escalation  who is told next where nobody acknowledges; `watch` asks in its transaction
signing     webhooks signed after the Standard Webhooks convention
orders      the thread that sends work orders
cli         `greenwatch incidents`
"""
