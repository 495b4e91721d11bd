"""The hints that are let through: those that only choose how a server finds the rows, never which rows.

A hint with any other name is refused, because nobody here knows what it does. Names are those of MySQL and MariaDB 12,
TiDB, OceanBase and seekdb, PolarDB and PolarDB-X, StarRocks and Doris, AnalyticDB; a server takes a hint that it does
not know for a comment, or warns.
"""

from typing import Final


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


# Of one SELECT, in which they stand. Each is known with NO_ before it too.
OF_ONE_SELECT: Final = _words(
    # Indexes and ways to a table.
    "INDEX GROUP_INDEX JOIN_INDEX ORDER_INDEX USE_INDEX FORCE_INDEX IGNORE_INDEX INDEX_MERGE USE_INDEX_MERGE",
    "INDEX_ASC INDEX_DESC INDEX_SS INDEX_SS_ASC INDEX_SS_DESC UNION_MERGE FULL SKIP_SCAN MRR ICP ROWID_FILTER",
    "RANGE_OPTIMIZATION READ_FROM_STORAGE USE_DAS USE_COLUMN_TABLE USE_LATE_MATERIALIZATION INDEX_LOOKUP_PUSHDOWN",
    # Joins and their order.
    "BKA BNL HASH_JOIN MERGE_JOIN INDEX_JOIN INL_JOIN INL_HASH_JOIN INL_MERGE_JOIN INDEX_HASH_JOIN INDEX_MERGE_JOIN",
    "HASH_JOIN_BUILD HASH_JOIN_PROBE SHUFFLE_JOIN BROADCAST_JOIN TIDB_SMJ TIDB_INLJ TIDB_HJ JOIN_FIXED_ORDER",
    "JOIN_ORDER JOIN_PREFIX JOIN_SUFFIX LEADING ORDERED STRAIGHT_JOIN USE_NL USE_MERGE USE_HASH",
    "USE_NL_MATERIALIZATION PX_JOIN_FILTER PX_PART_JOIN_FILTER BKA_JOIN NL_JOIN SORT_MERGE_JOIN BROADCAST SHUFFLE",
    # Sub-selects, derived tables and rewriting.
    "MERGE SEMIJOIN SUBQUERY DERIVED_CONDITION_PUSHDOWN SPLIT_MATERIALIZED SEMI_JOIN_REWRITE DECORRELATE UNNEST",
    "MATERIALIZE INLINE EXPAND USE_CONCAT PLACE_GROUP_BY REWRITE SEMI_TO_INNER PUSH_LIMIT REPLACE_CONST PRED_DEDUCE",
    "PUSH_PRED_CTE SIMPLIFY_EXPR SIMPLIFY_ORDER_BY SIMPLIFY_GROUP_BY SIMPLIFY_DISTINCT SIMPLIFY_WINFUNC",
    "SIMPLIFY_SUBQUERY SIMPLIFY_LIMIT SIMPLIFY_SET LEFT_TO_ANTI OUTER_TO_INNER PUSH_SUBQ COUNT_TO_EXISTS",
    "PROJECT_PRUNE FAST_MINMAX ELIMINATE_JOIN ELIMINATE_OJ WIN_MAGIC COALESCE_SQ COALESCE_AGGR AGGR_FIRST_UNNEST",
    "JOIN_FIRST_UNNEST OR_EXPANSION",
    # Aggregation.
    "HASH_AGG STREAM_AGG SORT_AGG AGG_TO_COP LIMIT_TO_COP MPP_1PHASE_AGG MPP_2PHASE_AGG USE_HASH_AGGREGATION",
    "GBY_PUSHDOWN DISTINCT_PUSHDOWN USE_HASH_DISTINCT USE_HASH_SET",
    # Several threads or nodes.
    "PQ_DISTRIBUTE PQ_DISTRIBUTE_WINDOW PQ_MAP PQ_SET PQ_GBY PQ_DISTINCT PQ_SUBQUERY PQ_GROUPBY PQ_ORDERBY",
    "QB_NAME",
)
# Of the whole statement, in its first SELECT only.
OF_STATEMENT: Final = _words(
    "PARALLEL NO_PARALLEL MEMORY_QUOTA RESOURCE_GROUP IGNORE_PLAN_CACHE USE_PLAN_CACHE MONITOR USE_TOJA NTH_PLAN",
    "CURSOR_SHARING_EXACT DYNAMIC_SAMPLING READ_CONSISTENT_REPLICA",
)
# Hints that limit the time of a statement, with their units per second.
LIMITS: Final = {"MAX_EXECUTION_TIME": 1_000, "QUERY_TIMEOUT": 1_000_000, "TIDB_KV_READ_TIMEOUT": 1_000}
# Hints that set something else by its name.
SETTERS: Final = frozenset(("SET_VAR", "OPT_PARAM"))
_STALE: Final = "reads rows of some time ago, outside of the snapshot"
_PART: Final = "reads a part of the table"
_NOT_ONLY_READS: Final = "does more than read"
# Hints that only suit an entry that wants no snapshot.
STALE_READS: Final = {
    "READ_CONSISTENCY": f"{_STALE} (READ_CONSISTENCY(STRONG) does not)",
    "SLAVE": "reads from a replica, which may be behind, outside of the snapshot",
}
REFUSED: Final = {
    "FROZEN_VERSION": "reads rows of the past",
    "TOPK": "gives approximate results",
    "FLASHBACK_READ_TX_UNCOMMITTED": "reads rows that are not committed",
    "SET_USER_VARIABLE": "sets a variable of the session",
    **dict.fromkeys(("NODE", "SCAN", "DIRECT", "SHARD", "PARTITIONS", "SQL"), _PART),
    **dict.fromkeys(
        ("TRANS_PARAM", "APPEND", "DBMS_STATS", "GATHER_OPTIMIZER_STATISTICS", "LOAD_BATCH_SIZE", "LOG_LEVEL"),
        _NOT_ONLY_READS,
    ),
}
# Variables that SET_VAR may set. Others are fixed in each session, or nobody has proved that they keep the result.
VARIABLES: Final = _words(
    # MySQL.
    "big_tables eq_range_index_dive_limit internal_tmp_mem_storage_engine join_buffer_size max_heap_table_size",
    "max_length_for_sort_data max_seeks_for_key optimizer_max_subgraph_pairs optimizer_prune_level",
    "optimizer_search_depth optimizer_switch range_alloc_block_size range_optimizer_max_mem_size read_buffer_size",
    "read_rnd_buffer_size sort_buffer_size sql_buffer_result tmp_table_size",
    # PolarDB.
    "force_parallel_mode max_parallel_degree parallel_degree_policy parallel_workers_policy",
    # TiDB.
    "mpp_exchange_compression_mode tidb_allow_mpp tidb_cost_model_version tidb_distsql_scan_concurrency",
    "tidb_enable_paging tidb_enforce_mpp tidb_executor_concurrency tidb_hash_join_concurrency",
    "tidb_hashagg_final_concurrency tidb_hashagg_partial_concurrency tidb_index_lookup_concurrency",
    "tidb_index_lookup_join_concurrency",
    "tidb_index_lookup_size tidb_index_serial_scan_concurrency tidb_isolation_read_engines tidb_max_chunk_size",
    "tidb_mem_quota_query tidb_opt_agg_push_down tidb_opt_distinct_agg_push_down tidb_partition_prune_mode",
    "tidb_projection_concurrency tidb_window_concurrency",
    # StarRocks and Doris.
    "batch_size broadcast_row_limit cbo_cte_reuse chunk_size disable_colocate_join disable_join_reorder enable_profile",
    "enable_spill exec_mem_limit new_planner_agg_stage new_planner_optimize_timeout",
    "parallel_fragment_exec_instance_num parallel_pipeline_task_num pipeline_dop query_mem_limit resource_group",
    "runtime_filter_mode runtime_filter_type spill_mode streaming_preaggregation_mode workload_group",
)
# Variables that limit the time of a statement, with their units per second. MySQL's max_execution_time is not one of
# them: Doris has one of that name in seconds.
LIMIT_VARIABLES: Final = {"query_timeout": 1}
# OceanBase's, as in OPT_PARAM('rowsets_enabled', 'true').
PARAMETERS: Final = _words(
    "cardinality_estimation_model correlation_for_cardinality_estimation enable_das_keep_order enable_index_merge",
    "enable_newsort enable_partial_distinct_pushdown enable_partial_group_by_pushdown enable_partial_limit_pushdown",
    "enable_rich_vector_format enable_spf_batch_rescan enable_topn_runtime_filter hash_join_enabled",
    "inlist_rewrite_threshold nested_loop_join_enabled nlj_batching_enabled optimizer_cost_based_transformation",
    "optimizer_sortmerge_join_enabled parallel_min_scan_time_threshold pushdown_storage_level rowsets_enabled",
    "rowsets_max_rows spill_compression_codec use_default_opt_stat use_part_sort_mgb workarea_size_policy",
)
# PolarDB-X's commands apart from the hints above, and its settings, which stand in CMD_EXTRA(...) or alone.
COMMANDS: Final = frozenset(("MASTER", "CMD_EXTRA"))
COMMAND_SETTINGS: Final = _words(
    "ALLOW_FULL_TABLE_SCAN CHOOSE_STREAMING ENABLE_BKA_JOIN ENABLE_CBO ENABLE_HASH_AGG ENABLE_HASH_JOIN",
    "ENABLE_INDEX_SELECTION ENABLE_MASTER_MPP ENABLE_MPP ENABLE_NL_JOIN ENABLE_PARTIAL_AGG ENABLE_PUSH_JOIN",
    "ENABLE_SEMI_JOIN_REORDER ENABLE_SORT_AGG ENABLE_SORT_MERGE_JOIN MAX_MERGE_UNION_SIZE MERGE_CONCURRENT",
    "MERGE_UNION MERGE_UNION_SIZE MIN_MERGE_UNION_SIZE MPP_PARALLELISM PARALLELISM PLAN_CACHE PREFETCH_SHARDS",
    "WORKLOAD WORKLOAD_TYPE",
)
COMMAND_LIMITS: Final = {"SOCKET_TIMEOUT": 1_000}
# AnalyticDB's: /*+ resource_group=reports, query_timeout=600000 */.
SETTINGS: Final = _words(
    "filter_not_pushdown_columns no_index_columns query_priority query_type reorder_joins resource_group",
)
SETTING_LIMITS: Final = {"QUERY_TIMEOUT": 1_000}
