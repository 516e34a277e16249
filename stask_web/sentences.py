"""What is wrong with an option, in sentences of ours: one table, by the types of pydantic's errors and own ones.

A test walks all types that pydantic knows: each has its sentence here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .language import Counted, mark, markn, tr, tr_counted
from .numbers import localised
from .text import clean

__all__ = ["AUTHORS_OWN", "SENTENCES", "WRITTEN_BY_PYDANTIC", "sentence", "sentence_on"]

#: Errors whose text the author of a model wrote.
AUTHORS_OWN = ("value_error", "assertion_error")

_TEXT = mark("Enter a text.")
_WHOLE = mark("Enter a whole number, for example 12.")
_NUMBER = mark("Enter a number, for example 12.50.")
_YES_NO = mark("Choose yes or no.")
_DATE = mark("Enter a date, for example 2026-12-31.")
_TIME = mark("Enter a time, for example 18:30.")
_DATETIME = mark("Enter a date and a time, for example 2026-12-31 18:30.")
_LENGTH = mark("Enter a length of time, for example 1:30:00.")
_ADDRESS = mark("Enter an address, for example https://example.com.")
_JSON = mark("This is not valid JSON.")
_UUID = mark("Enter a UUID.")
_LIST = mark("Choose from the list.")
_ONE_OF = mark("Choose one of: %(expected)s.")
_GROUP = mark("Give this as names with their values.")
_FILE = mark("Choose a file.")
_NO_OPTION = mark("There is no such option.")
_MISSING = mark("Fill this in.")
_FIXED = mark("This cannot be changed.")
_UNFIT = mark("This value does not fit here.")
_DEEP = mark("This is nested too deep.")
_EMAIL = mark("Enter an e-mail address, for example name@example.com.")
_FORM = mark("This does not have the expected form.")
_IP = mark("Enter an IP address, for example 192.0.2.1.")
_NETWORK = mark("Enter a network, for example 192.0.2.0/24.")
_PATTERN = mark("Enter a regular expression.")
_NO_FOLDER = mark("There is no such folder.")
_SIZE = mark("Enter a size, for example 2 MB.")
_FRACTION = mark("Enter a fraction, for example 3/4.")

#: Type of an error -> our sentence for people; the places are filled from the error's context.
SENTENCES: dict[str, str | Counted] = {
    "missing": _MISSING,
    "string_type": _TEXT,
    "string_unicode": mark("This text has signs that cannot be read."),
    "string_not_ascii": mark("Use only Latin letters, digits and usual signs."),
    "string_too_short": markn(
        "Enter at least %(min_length)s character.", "Enter at least %(min_length)s characters.", "min_length"
    ),
    "string_too_long": markn(
        "Enter at most %(max_length)s character.", "Enter at most %(max_length)s characters.", "max_length"
    ),
    "string_pattern_mismatch": _FORM,
    "literal_error": _ONE_OF,
    "enum": _ONE_OF,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": mark("This number is too large."),
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": markn(
        "Enter at most %(max_digits)s digit.", "Enter at most %(max_digits)s digits.", "max_digits"
    ),
    "decimal_max_places": markn(
        "Enter at most %(decimal_places)s digit after the point.",
        "Enter at most %(decimal_places)s digits after the point.",
        "decimal_places",
    ),
    "decimal_whole_digits": markn(
        "Enter at most %(whole_digits)s digit before the point.",
        "Enter at most %(whole_digits)s digits before the point.",
        "whole_digits",
    ),
    "fraction_type": _FRACTION,
    "fraction_parsing": _FRACTION,
    "complex_type": _NUMBER,
    "complex_str_parsing": _NUMBER,
    "greater_than": mark("Enter more than %(gt)s."),
    "greater_than_equal": mark("Enter %(ge)s or more."),
    "less_than": mark("Enter less than %(lt)s."),
    "less_than_equal": mark("Enter %(le)s or less."),
    "multiple_of": mark("Enter a multiple of %(multiple_of)s."),
    "bool_type": _YES_NO,
    "bool_parsing": _YES_NO,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": mark("Enter a date without a time."),
    "date_past": mark("Enter a date in the past."),
    "date_future": mark("Enter a date in the future."),
    "time_type": _TIME,
    "time_parsing": _TIME,
    "datetime_type": _DATETIME,
    "datetime_parsing": _DATETIME,
    "datetime_object_invalid": _DATETIME,
    "datetime_from_date_parsing": _DATETIME,
    "datetime_past": mark("Enter a moment in the past."),
    "datetime_future": mark("Enter a moment in the future."),
    "timezone_naive": mark("Enter the time without a time zone."),
    "timezone_aware": mark("Enter the time with its time zone, for example 2026-12-31T18:30+02:00."),
    "timezone_offset": mark("This time is of another time zone."),
    "time_delta_type": _LENGTH,
    "time_delta_parsing": _LENGTH,
    "url_type": _ADDRESS,
    "url_parsing": _ADDRESS,
    "url_syntax_violation": _ADDRESS,
    "url_scheme": mark("Enter an address that begins with %(expected_schemes)s."),
    "url_too_long": mark("This address is too long."),
    "json_invalid": _JSON,
    "json_type": _JSON,
    "uuid_type": _UUID,
    "uuid_parsing": _UUID,
    "uuid_version": _UUID,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "deque_type": _LIST,
    "iterable_type": _LIST,
    "iteration_error": _LIST,
    "set_item_not_hashable": _LIST,
    "too_short": markn("Choose at least %(min_length)s.", "Choose at least %(min_length)s.", "min_length"),
    "too_long": markn("Choose at most %(max_length)s.", "Choose at most %(max_length)s.", "max_length"),
    "dict_type": _GROUP,
    "ordered_dict_type": _GROUP,
    "frozen_dict_type": _GROUP,
    "mapping_type": _GROUP,
    "counter_type": _GROUP,
    "model_type": _GROUP,
    "model_attributes_type": _GROUP,
    "dataclass_type": _GROUP,
    "dataclass_exact_type": _GROUP,
    "named_tuple_type": _GROUP,
    "arguments_type": _GROUP,
    "invalid_key": mark("The names of values must be texts."),
    "union_tag_invalid": mark("Choose one of: %(expected_tags)s."),
    "union_tag_not_found": mark("Say which kind of value this is."),
    "bytes_type": _TEXT,
    "bytes_too_short": mark("This is too short."),
    "bytes_too_long": mark("This is too long."),
    "bytes_invalid_encoding": mark("This text has signs that cannot be read."),
    "none_required": mark("Leave this empty."),
    "missing_argument": _MISSING,
    "missing_keyword_only_argument": _MISSING,
    "missing_positional_only_argument": _MISSING,
    "extra_forbidden": _NO_OPTION,
    "unexpected_keyword_argument": _NO_OPTION,
    "unexpected_positional_argument": _NO_OPTION,
    "multiple_argument_values": mark("This was given twice."),
    "frozen_field": _FIXED,
    "frozen_instance": _FIXED,
    "default_factory_not_called": mark("This hangs on another value that is wrong."),
    "recursion_loop": mark("This contains itself."),
    "recursion_depth_exceeded": _DEEP,
    "no_such_attribute": _NO_OPTION,
    "get_attribute_error": _UNFIT,
    "needs_python_object": _UNFIT,
    "is_instance_of": _UNFIT,
    "is_subclass_of": _UNFIT,
    "callable_type": _UNFIT,
    "missing_sentinel_error": _UNFIT,
    "ellipsis_error": _UNFIT,
    # Of our own.
    "choice": mark("Choose one of the list."),
    "file": _FILE,
    "email": _EMAIL,
    "url": _ADDRESS,
}


#: Errors that pydantic itself makes in the way that is meant for authors: type -> how its text begins, our sentence.
#: The same type with another text is an author's.
WRITTEN_BY_PYDANTIC: dict[str, tuple[str, str]] = {
    "value_error": ("value is not a valid email address", _EMAIL),
    "bytes_type": ("Input must be", _TEXT),
    "path_type": ("Input is not a valid path", _FILE),
    "path_not_file": ("Path does not point to", mark("There is no such file.")),
    "path_not_socket": ("Path does not point to", _UNFIT),
    "path_not_directory": ("Path does not point to", _NO_FOLDER),
    "path_exists": ("Path already exists", mark("This name is taken.")),
    "parent_does_not_exist": ("Parent directory does not exist", _NO_FOLDER),
    "ip_any_address": ("value is not a valid IP", _IP),
    "ip_v4_address": ("Input is not a valid IP", _IP),
    "ip_v6_address": ("Input is not a valid IP", _IP),
    "ip_any_interface": ("value is not a valid IP", _IP),
    "ip_v4_interface": ("Input is not a valid IP", _IP),
    "ip_v6_interface": ("Input is not a valid IP", _IP),
    "ip_any_network": ("value is not a valid IP", _NETWORK),
    "ip_v4_network": ("Input is not a valid IP", _NETWORK),
    "ip_v6_network": ("Input is not a valid IP", _NETWORK),
    "pattern_type": ("Input should be a", _PATTERN),
    "pattern_str_type": ("Input should be a", _PATTERN),
    "pattern_bytes_type": ("Input should be a", _PATTERN),
    "pattern_regex": ("Input should be a", _PATTERN),
    "zoneinfo_str": ("invalid timezone", mark("Enter a time zone, for example Europe/Kyiv.")),
    "byte_size": ("could not", _SIZE),
    "byte_size_unit": ("could not", _SIZE),
    "color_error": ("value is not a valid color", mark("Enter a colour, for example #ff8800.")),
    "payment_card_number_digits": ("Card number is not", _FORM),
    "payment_card_number_luhn": ("Card number is not", _FORM),
    "payment_card_number_brand": ("Length for a", _FORM),
    "base64_decode": ("Base64 decoding error", _FORM),
    "import_error": ("Invalid python path", _UNFIT),
    "sequence_str": ("'", _LIST),
    "predicate_failed": ("Predicate ", _FORM),
    "not_operation_failed": ("Not of ", _FORM),
}


def sentence_on(kind: str, text: str, values: Mapping[str, Any] | None) -> str:
    """What is wrong, of one of pydantic's errors: ours on what it finds, the author's own on what he does.

    :param kind: the error's type.
    :param text: its message.
    :param values: its context.
    """
    values = values or {}
    begin, ours = WRITTEN_BY_PYDANTIC.get(kind, ("", ""))
    if begin and text.lower().startswith(begin.lower()):
        return tr(ours)
    if kind in AUTHORS_OWN:
        return clean(values.get("error", text)) or tr(_UNFIT)
    return sentence(kind, values) if _is_pydantics(kind, text, values) else clean(text) or tr(_UNFIT)


def _is_pydantics(kind: str, text: str, values: Mapping[str, Any]) -> bool:
    """Whether pydantic itself would say so: an author may use any type for his own text."""
    from pydantic_core import PydanticKnownError  # who has an error has loaded it

    known: Any = kind
    try:
        return PydanticKnownError(known, dict(values) or None).message() == text
    except (KeyError, TypeError, ValueError):
        return False


def sentence(kind: str, values: Mapping[str, Any] | None = None) -> str:
    """What is wrong, in the reader's language.

    :param kind: a key of :data:`SENTENCES`; for any other it says that the value does not fit.
    :param values: the error's context.
    """
    text = SENTENCES.get(kind, _UNFIT)
    plain = {name: _plain(value) for name, value in (values or {}).items()}
    try:
        return tr_counted(text, plain, {name: _written(value) for name, value in plain.items()})
    except KeyError:
        return tr_counted(_UNFIT, {})


def _plain(value: Any) -> Any:
    """A limit as people write it: 600, not 600.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written(value: Any) -> Any:
    return localised(str(value)) if isinstance(value, float | Decimal) else value
