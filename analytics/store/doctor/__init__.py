"""What must hold in any store, looked at with SQL: whole where that is cheap, else on a seeded sample.

Each check gives `Found`: how much it looked at, what is wrong in words, what it left out and why. They only read. Ask
them in one `health.moment`, so that who saves or settles meanwhile does not look like a mistake.

rows    that they add up, are there once, follow one another, were judged
state   tables in force, fits, rights, migrations, the server, what workers do
"""

from analytics.store.doctor._found import NAMED as NAMED
from analytics.store.doctor._found import Found as Found
from analytics.store.doctor._found import Window as Window
from analytics.store.doctor._found import draw as draw
