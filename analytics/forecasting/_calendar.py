"""Days on which nobody works: traffic, works and kitchens keep their hours, not those of the week."""

from datetime import date, timedelta

# `holidays` is imported where it is asked: it takes a third of a second that most commands should not wait for.


def known(calendar: str) -> bool:
    """Whether the holidays of a country are known, by its two letters (ISO 3166)."""
    from holidays import list_supported_countries

    return calendar in list_supported_countries()


def free(calendar: str, first: date, last: date) -> frozenset[date]:
    """The days of [first, last] on which nobody works where the country is `calendar`: holidays, and weekends but those
    that are worked instead, many in China; without a country none. Source: the library `holidays`."""
    if not calendar:
        return frozenset()
    from holidays import country_holidays

    found = country_holidays(calendar, years=range(first.year, last.year + 1))
    days = (first + timedelta(number) for number in range((last - first).days + 1))
    return frozenset(day for day in days if not found.is_working_day(day))
