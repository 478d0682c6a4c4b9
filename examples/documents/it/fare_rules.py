"""Fare rules of the booking system: from a list price to what a traveller pays.

List prices come from the fare table; this module knows only the rules. All amounts are in cents.
"""

from dataclasses import dataclass

#: Children below this age travel free of charge, but need a ticket (they count against the boat's capacity).
FREE_BELOW_AGE = 6

#: Residents of the islands pay this share less. They show the resident card at boarding.
RESIDENT_DISCOUNT = 0.40

#: Booked at least this many days ahead, a single ticket costs less. Not for passes, not for residents.
EARLY_DAYS = 30
EARLY_DISCOUNT = 0.10

#: Two adults and up to three children never pay more than this many adult fares.
FAMILY_CAP_ADULT_FARES = 2.5

#: A car that was booked and does not show up pays this part of its fare.
NO_SHOW_SHARE = 0.75


@dataclass(frozen=True)
class Traveller:
    """One person in a booking."""

    age: int
    resident: bool = False


def single_fare(adult_cents: int, child_cents: int, traveller: Traveller, days_ahead: int) -> int:
    """What one traveller pays for one crossing."""
    if traveller.age < FREE_BELOW_AGE:
        return 0
    price = child_cents if traveller.age < 16 else adult_cents
    if traveller.resident:
        return round_to_ten(price * (1 - RESIDENT_DISCOUNT))
    if days_ahead >= EARLY_DAYS:
        return round_to_ten(price * (1 - EARLY_DISCOUNT))
    return price


def family_fare(adult_cents: int, child_cents: int, family: list[Traveller], days_ahead: int) -> int:
    """The sum of the single fares, or the cap where a family of at most two adults and three children has reached it."""
    total = sum(single_fare(adult_cents, child_cents, person, days_ahead) for person in family)
    adults = sum(person.age >= 16 for person in family)
    if adults <= 2 and len(family) - adults <= 3:
        return min(total, int(adult_cents * FAMILY_CAP_ADULT_FARES))
    return total


def round_to_ten(cents: float) -> int:
    """Fares are multiples of ten cents; halves are rounded in the traveller's favour."""
    return int((cents + 4.999) // 10) * 10
