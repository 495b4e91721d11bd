"""Words before an opening bracket that are the server's own on MySQL, MariaDB and OceanBase alike, whatever functions are stored there.

Not all of them: a word that is missing here costs a question to the server, which knows its stored functions. Each is in MySQL's
reference manual, "Built-In Function and Operator Reference", or a keyword of SELECT.
"""

from typing import Final

_AGGREGATES = (
    "avg bit_and bit_or bit_xor count group_concat max min std stddev stddev_pop stddev_samp sum var_pop var_samp variance "
    "row_number rank dense_rank lag lead first_value last_value ntile"
)
_FLOW = "if ifnull nullif case coalesce greatest least interval isnull cast convert binary"
_NUMBERS = (
    "abs bit_count ceil ceiling floor round truncate mod pow power sqrt exp ln log log10 log2 sign sin cos tan acos asin "
    "atan pi radians degrees crc32 conv bin oct hex unhex format"
)
_TEXT = (
    "ascii char char_length character_length concat concat_ws elt field find_in_set insert instr lcase left length locate "
    "lower lpad ltrim mid octet_length ord position quote repeat replace reverse right rpad rtrim soundex space strcmp "
    "substr substring substring_index trim ucase upper md5 sha sha1 sha2 to_base64 from_base64 inet_aton inet_ntoa "
    "regexp_replace regexp_substr regexp_instr regexp_like"
)
_TIME = (
    "adddate addtime convert_tz curdate current_date current_time current_timestamp curtime date date_add date_format "
    "date_sub datediff day dayname dayofmonth dayofweek dayofyear extract from_days from_unixtime get_format hour last_day "
    "localtime localtimestamp makedate maketime microsecond minute month monthname now period_add period_diff quarter "
    "sec_to_time second str_to_date subdate subtime sysdate time time_format time_to_sec timediff timestamp timestampadd "
    "timestampdiff to_days to_seconds unix_timestamp utc_date utc_time utc_timestamp week weekday weekofyear year yearweek"
)
_JSON = (
    "json_extract json_unquote json_value json_contains json_length json_keys json_type json_valid json_object json_array "
    "json_search json_arrayagg json_objectagg"
)
_KEYWORDS = (
    "all and any as between by distinct div else exists from having in index is join key like limit not on or over "
    "partition regexp rlike select separator some then union using values when where with xor char varchar decimal signed "
    "unsigned datetime"
)

# For the nearest right name.
FUNCTIONS: Final = tuple(f"{_AGGREGATES} {_FLOW} {_NUMBERS} {_TEXT} {_TIME} {_JSON}".upper().split())
SERVER_FUNCTIONS: Final = frozenset((*(name.lower() for name in FUNCTIONS), *_KEYWORDS.split()))
