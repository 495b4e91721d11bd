"""Words before an opening parenthesis that are never a stored function, on MySQL, MariaDB and OceanBase alike.

The list is not complete. A missing word costs a query that asks the server for its stored functions; in a file that
masks columns every word does. Each word is in MySQL's reference manual, "Built-In Function and Operator Reference", or
is a keyword of SELECT.
"""

from typing import Final

_AGGREGATES = (
    "avg bit_and bit_or bit_xor count group_concat max min std stddev stddev_pop stddev_samp sum var_pop var_samp"
    " variance"
)
_FLOW = "if ifnull nullif case coalesce greatest least interval isnull cast convert binary"
_NUMBERS = (
    "abs bit_count ceil ceiling floor round truncate mod pow power sqrt exp ln log log10 log2 sign sin cos tan acos"
    " asin atan pi radians degrees crc32 conv bin oct hex unhex format"
)
_TEXT = (
    "ascii char char_length character_length concat concat_ws elt field find_in_set insert instr lcase left length"
    " locate lower lpad ltrim mid octet_length ord position quote repeat replace reverse right rpad rtrim soundex space"
    " strcmp substr substring substring_index trim ucase upper md5 sha sha1 sha2 to_base64 from_base64 inet_aton"
    " inet_ntoa"
)
_TIME = (
    "adddate addtime convert_tz curdate current_date current_time current_timestamp curtime date date_add date_format"
    " date_sub datediff day dayname dayofmonth dayofweek dayofyear extract from_days from_unixtime get_format hour"
    " last_day localtime localtimestamp makedate maketime microsecond minute month monthname now period_add period_diff"
    " quarter sec_to_time second str_to_date subdate subtime sysdate time time_format time_to_sec timediff timestamp"
    " timestampadd timestampdiff to_days to_seconds unix_timestamp utc_date utc_time utc_timestamp week weekday"
    " weekofyear year yearweek"
)
# Older servers lack these, MariaDB lacks the last one, and some servers have stored functions in their place.
_NEWER = (
    "row_number rank dense_rank lag lead first_value last_value ntile json_extract "
    "json_unquote json_value json_contains json_length json_keys json_type json_valid json_object json_array "
    "json_search json_arrayagg json_objectagg regexp_replace regexp_substr regexp_instr regexp_like"
)
_KEYWORDS = (
    "all and any as between by distinct div else exists from having in index is join key like limit not on or over"
    " partition regexp rlike select separator some then union using values when where with xor char varchar decimal"
    " signed unsigned datetime"
)

# To suggest the right name for a wrong one.
FUNCTIONS: Final = tuple(f"{_AGGREGATES} {_FLOW} {_NUMBERS} {_TEXT} {_TIME} {_NEWER}".upper().split())
SERVER_FUNCTIONS: Final = frozenset(f"{_AGGREGATES} {_FLOW} {_NUMBERS} {_TEXT} {_TIME} {_KEYWORDS}".split())


# Built into some servers only. Where no stored function may be missed, every word that is in no list counts as one.
_FURTHER = (
    "any_value approx_count_distinct bit_length chr coercibility collation connection_id cot cume_dist current_role"
    " current_user database default exp grouping group_concat is_uuid match median nth_value percent_rank"
    " percentile_cont percentile_disc schema session_user system_user user version atan2 add_months aes_decrypt"
    " aes_encrypt compress uncompress uncompressed_length crc32c des_decrypt des_encrypt encode decode encrypt"
    " export_set extractvalue updatexml make_set format_bytes found_rows row_count inet6_aton inet6_ntoa is_ipv4"
    " is_ipv4_compat is_ipv4_mapped is_ipv6 lengthb name_const natural_sort_key nvl nvl2 old_password password sformat"
    " to_char uuid_to_bin bin_to_uuid weight_string statement_digest statement_digest_text lastval trim_oracle"
    " column_check column_exists column_get column_json column_list column_create column_add column_delete rownum"
    " json_array_append json_array_insert json_compact json_contains_path json_depth json_detailed json_equals"
    " json_exists json_insert json_loose json_merge json_merge_patch json_merge_preserve json_normalize json_overlaps"
    " json_pretty json_query json_quote json_remove json_replace json_schema_valid json_schema_validation_report"
    " json_set json_storage_free json_storage_size json_table"
)
_SPATIAL = (
    "geomcollection geometrycollection linestring mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequals"
    " mbrintersects mbroverlaps mbrtouches mbrwithin multilinestring multipoint multipolygon point polygon st_area"
    " st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_boundary st_buffer st_buffer_strategy st_centroid"
    " st_collect st_contains st_convexhull st_crosses st_difference st_dimension st_disjoint st_distance"
    " st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring st_frechetdistance st_geohash"
    " st_geomcollfromtext st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb"
    " st_hausdorffdistance st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_isring st_issimple"
    " st_isvalid st_latfromgeohash st_latitude st_length st_linefromtext st_linefromwkb st_longfromgeohash st_longitude"
    " st_makeenvelope st_numgeometries st_numinteriorrings st_numpoints st_overlaps st_pointfromgeohash"
    " st_pointfromtext st_pointfromwkb st_pointn st_polyfromtext st_polyfromwkb st_relate st_simplify st_srid"
    " st_startpoint st_swapxy st_symdifference st_touches st_transform st_union st_validate st_within st_x st_y"
)
_TYPES = (
    "binary bit char character datetime dec decimal double fixed float int integer bigint nchar numeric nvarchar time"
    " timestamp tinyint smallint mediumint varbinary varcharacter year"
)
_CLAUSES = (
    "against array both columns cube escape except group ignore index intersect lateral leading minus nested of offset"
    " outer path return returning right rollup row rows sets sounds straight_join trailing unique window within"
)
KNOWN: Final = SERVER_FUNCTIONS | frozenset(f"{_NEWER} {_FURTHER} {_SPATIAL} {_TYPES} {_CLAUSES}".split())
# With a blank before its parenthesis each of these is a stored function of that name (IGNORE_SPACE is off).
_NO_BLANK = (
    "adddate bit_and bit_or bit_xor cast count curdate curtime date_add date_sub extract group_concat json_arrayagg"
    " json_objectagg max mid min now position session_user st_collect std stddev stddev_pop stddev_samp subdate"
    " substr substring sum sysdate system_user trim variance var_pop var_samp"
)
WITHOUT_BLANK: Final = frozenset(_NO_BLANK.split())
