"""PostgreSQL's own functions, and the words that stand before a parenthesis without being one.

The list is not complete. A word that is missing counts as a function stored in the database: where the config masks
columns, the entry has to allow it. What a listed function does is asked of the server, too.
"""

from typing import Final

_AGGREGATES = (
    "any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every grouping"
    " json_agg json_agg_strict json_arrayagg json_object_agg json_object_agg_strict json_object_agg_unique"
    " json_object_agg_unique_strict json_objectagg jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict"
    " jsonb_object_agg_unique jsonb_object_agg_unique_strict max min mode percentile_cont percentile_disc range_agg"
    " range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy"
    " stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg"
)
_WINDOWS = "cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number"
_NUMBERS = (
    "abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd"
    " degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod numeric pi pow power"
    " radians round scale sign sin sind sinh sqrt tan tand tanh to_bin to_hex to_oct trim_scale trunc width_bucket"
)
_TEXT = (
    "ascii bit_count bit_length btrim casefold char_length character_length chr concat concat_ws convert convert_from"
    " convert_to crc32 crc32c decode encode format get_bit get_byte initcap is_normalized left length lower lpad ltrim"
    " md5 normalize octet_length overlay parse_ident position quote_ident quote_literal quote_nullable regexp_count"
    " regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table"
    " regexp_substr repeat replace reverse right rpad rtrim set_bit set_byte sha224 sha256 sha384 sha512 split_part"
    " starts_with string_to_array string_to_table strpos substr substring to_ascii translate trim unicode_assigned"
    " unistr upper"
)
_TIME = (
    "age current_date current_time current_timestamp date_add date_bin date_part date_subtract date_trunc extract"
    " isfinite justify_days justify_hours justify_interval localtime localtimestamp make_date make_interval make_time"
    " make_timestamp make_timestamptz now overlaps timezone to_char to_date to_number to_timestamp"
    " transaction_timestamp"
)
_FLOW = "case coalesce greatest least nullif num_nonnulls num_nulls"
_DOCUMENTS = (
    "array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position array_positions"
    " array_prepend array_remove array_replace array_reverse array_sort array_to_json array_to_string"
    " array_to_tsvector array_upper cardinality generate_series generate_subscripts json_array json_array_elements"
    " json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text"
    " json_exists json_extract_path json_extract_path_text json_object json_object_keys json_query json_scalar"
    " json_serialize json_strip_nulls json_table json_to_record json_to_recordset json_to_tsvector json_typeof"
    " json_value jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array"
    " jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert"
    " jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz"
    " jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first"
    " jsonb_path_query_first_tz jsonb_path_query_tz jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls"
    " jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof row_to_json to_json to_jsonb trim_array unnest"
    " xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment xmlconcat xmlelement"
    " xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable xmltext xpath xpath_exists"
)
_OTHER = (
    "abbrev area bound_box box broadcast center circle datemultirange daterange diagonal diameter enum_first"
    " enum_last enum_range family format_type height host hostmask inet_merge inet_same_family int4multirange"
    " int4range int8multirange int8range isclosed isempty isopen line lower_inc lower_inf lseg macaddr8_set7bit"
    " masklen multirange netmask network npoints nummultirange numnode numrange path pclose pg_typeof phraseto_tsquery"
    " plainto_tsquery point polygon popen querytree radius range_merge set_masklen setweight slope strip to_tsquery"
    " to_tsvector ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsmultirange tsquery_phrase tsrange"
    " tstzmultirange tstzrange tsvector_to_array upper_inc upper_inf uuid_extract_timestamp uuid_extract_version"
    " websearch_to_tsquery width"
)
_KEYWORDS = (
    "all and any array as asc between bigint bit bool boolean by bytea cast char character collate cross cube date"
    " decimal desc distinct else end except exists fetch filter float for from full group groups having ilike in inner"
    " int integer intersect interval into is isnull join json jsonb lateral left like limit materialized money natural"
    " nchar not notnull nulls of offset on only or order ordinality outer over partition range real recursive right"
    " rollup row rows select sets similar smallint some symmetric text then time timestamp timestamptz timetz to union"
    " using uuid values varbit varchar varying when where window with within xml zone"
)

KNOWN: Final = frozenset(
    f"{_AGGREGATES} {_WINDOWS} {_NUMBERS} {_TEXT} {_TIME} {_FLOW} {_DOCUMENTS} {_OTHER} {_KEYWORDS}".split()
)
