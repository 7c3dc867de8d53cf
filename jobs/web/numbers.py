"""Numbers in addresses."""

from starlette.convertors import Convertor, register_url_convertor

#: The greatest that the database holds.
LARGEST = 2**63 - 1
#: A number of an address: `Route(f"/v1/series/{ID}")`.
ID = "{id:number}"


class Number(Convertor[int]):
    """A number without sign. One of thousands of digits, which Python refuses to read (ValueError), is no address."""

    regex = "[0-9]{1,40}"

    def convert(self, value: str) -> int:
        """The number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """As it stands in an address."""
        return str(value)


register_url_convertor("number", Number())
