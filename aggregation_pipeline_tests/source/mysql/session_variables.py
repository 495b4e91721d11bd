"""The session variables that we do not set, and why none of them changes a result.

A variable that is in none of these lists fails a test, so that a new version of a server shows its new variables.
"""

# PyMySQL and SQLAlchemy set these for each connection, after init_connect.
BY_DRIVER = "autocommit character_set_client character_set_connection character_set_results"
# Another name of last_insert_id.
ALIAS = "identity"
# `SET SESSION TRANSACTION READ ONLY` sets them.
BY_TRANSACTION = "transaction_read_only tx_read_only"
# Named in docs/types.md: the value ends a statement or the connection with an error, and never gives another result.
LOUD = """
    max_join_size max_session_mem_used parser_max_mem_size max_sp_recursion_depth tmp_disk_table_size
    ob_trx_lock_timeout ob_pl_block_timeout net_read_timeout interactive_timeout wsrep_on wsrep_sync_wait
    idle_write_transaction_timeout wsrep_causal_reads optimizer_max_sel_args range_optimizer_max_mem_size
    sql_throttle_cpu max_tmp_tables ob_enable_show_trace
"""
# The rest is proved harmless: a test sets all of it to every extreme that the server takes, and compares what comes.
PLANS = """
    _aggregation_optimization_settings _enable_storage_cardinality_estimation _optimizer_cost_based_transformation
    _windowfunc_optimization_settings analyze_max_length analyze_sample_percentage big_tables
    cardinality_estimation_model cursor_sharing enable_optimizer_rowgoal end_markers_in_json
    eq_range_index_dive_limit expensive_subquery_limit histogram_size histogram_type
    in_predicate_conversion_threshold information_schema_stats_expiry join_buffer_space_limit join_cache_level
    max_heap_table_size max_length_for_sort_data max_rowid_filter_size max_seeks_for_key multi_range_count new
    ob_enable_aggregation_pushdown ob_enable_index_direct_select ob_enable_pl_cache ob_enable_plan_cache
    ob_enable_transformation ob_hnsw_extra_info_max_size old optimizer_adjust_secondary_key_costs
    optimizer_dynamic_sampling optimizer_extra_pruning_depth optimizer_join_limit_pref_ratio
    optimizer_max_sel_arg_weight optimizer_prune_level optimizer_search_depth optimizer_selectivity_sampling_limit
    optimizer_switch optimizer_trace optimizer_trace_features optimizer_trace_limit optimizer_trace_max_mem_size
    optimizer_trace_offset optimizer_use_condition_selectivity parallel_degree_limit parallel_degree_policy
    parallel_min_scan_time_threshold partition_index_dive_limit query_cache_strip_comments
    query_cache_wlock_invalidate range_index_dive_limit runtime_bloom_filter_max_size runtime_filter_max_in_num
    runtime_filter_type runtime_filter_wait_time_ms sql_buffer_result tmp_memory_table_size tmp_table_size
    use_stat_tables
"""
BUFFERS = """
    join_buffer_size mrr_buffer_size aria_repair_threads aria_sort_buffer_size bulk_insert_buffer_size
    preload_buffer_size query_alloc_block_size query_prealloc_size range_alloc_block_size read_buffer_size
    read_rnd_buffer_size transaction_alloc_block_size transaction_prealloc_size rowid_merge_buff_size
    myisam_repair_threads myisam_sort_buffer_size net_retry_count tcp_nodelay thread_pool_priority
"""
WRITES = """
    _optimizer_gather_stats_on_load _show_ddl_in_compat_mode alter_algorithm aria_stats_method
    auto_increment_increment auto_increment_offset check_constraint_checks column_compression_threshold
    column_compression_zlib_level column_compression_zlib_strategy column_compression_zlib_wrap
    deadlock_search_depth_long deadlock_search_depth_short deadlock_timeout_long deadlock_timeout_short
    default_storage_engine default_tmp_storage_engine disabled_storage_engines enforce_storage_engine
    explicit_defaults_for_timestamp foreign_key_checks innodb_compression_default innodb_default_encryption_key_id
    innodb_ft_enable_stopword innodb_ft_user_stopword_table innodb_lock_wait_timeout innodb_snapshot_isolation
    innodb_strict_mode innodb_support_xa innodb_table_locks innodb_tmpdir insert_id keep_files_on_create
    low_priority_updates max_delayed_threads max_insert_delayed_threads myisam_stats_method
    ob_default_lob_inrow_threshold old_alter_table old_passwords recyclebin sql_if_exists sql_log_bin
    sql_safe_updates storage_engine system_versioning_alter_history system_versioning_insert_history unique_checks
    updatable_views_with_limit default_authentication_plugin local_infile character_set_database
    character_set_filesystem character_set_server collation_database collation_server error_on_overlap_time
    show_create_table_verbosity
"""
LOGS_AND_REPLICATION = """
    binlog_alter_two_phase binlog_annotate_row_events binlog_direct_non_transactional_updates binlog_format
    binlog_row_image binlog_rows_query_log_events debug default_master_connection general_log gtid_domain_id
    gtid_next gtid_seq_no log_disabled_statements log_queries_not_using_indexes log_row_value_options
    log_slow_admin_statements log_slow_disabled_statements log_slow_filter log_slow_max_warnings
    log_slow_min_examined_row_limit log_slow_query log_slow_query_time log_slow_rate_limit log_slow_slave_statements
    log_slow_verbosity log_warnings long_query_time max_relay_log_size min_examined_row_limit ob_log_level profiling
    profiling_history_size progress_report_time pseudo_slave_mode pseudo_thread_id rand_seed1 rand_seed2
    rbr_exec_mode server_id session_track_gtids session_track_schema session_track_state_change
    session_track_system_variables session_track_transaction_info show_old_temporals skip_parallel_replication
    skip_replication slave_rows_search_algorithms slave_type_conversions slow_query_log sql_log_off
    sql_quote_show_create sql_slave_skip_counter sql_warnings transaction_allow_batching
    transaction_write_set_extraction version_tokens_session wsrep_gtid_seq_no wsrep_osu_method
    wsrep_retry_autocommit wsrep_trx_fragment_size wsrep_trx_fragment_unit lc_messages concurrent_insert
    log_slave_updates master_info_repository ob_max_read_stale_time
"""
# OceanBase takes these, and they do nothing there, or say what the server is.
INERT_ON_OCEANBASE = """
    error_count warning_count have_openssl have_profiling have_ssl hostname protocol_version ssl_ca ssl_capath
    ssl_cert ssl_cipher ssl_crl ssl_crlpath ssl_key table_definition_cache time_format tls_version tmpdir
    version_compile_machine version_compile_os group_replication_force_members group_replication_group_name
    group_replication_group_seeds group_replication_gtid_assignment_block_size group_replication_ip_whitelist
    group_replication_local_address group_replication_recovery_ssl_ca group_replication_recovery_ssl_capath
    group_replication_recovery_ssl_cert group_replication_recovery_ssl_cipher group_replication_recovery_ssl_crl
    group_replication_recovery_ssl_crlpath group_replication_recovery_ssl_key ndb_allow_copying_alter_table
    ndb_autoincrement_prefetch_sz ndb_blob_read_batch_bytes ndb_blob_write_batch_bytes ndb_deferred_constraints
    ndb_force_send ndb_fully_replicated ndb_index_stat_enable ndb_index_stat_option ndb_join_pushdown
    ndb_log_exclusive_reads ndb_row_checksum ndb_table_no_logging ndb_table_temporary ndb_use_exact_count
    ndb_use_transactions ndbinfo_max_bytes ndbinfo_max_rows ndbinfo_show_hidden
"""
HARMLESS = frozenset(f"{PLANS} {BUFFERS} {WRITES} {LOGS_AND_REPLICATION} {INERT_ON_OCEANBASE}".split())
KNOWN = HARMLESS | frozenset(f"{BY_DRIVER} {ALIAS} {BY_TRANSACTION} {LOUD}".split())

# The worst that each variable that we set can be, as far as a server takes it.
NASTY = {
    "sql_mode": (
        "'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,NO_UNSIGNED_SUBTRACTION'"
    ),
    "time_zone": "'-11:00'",
    "timestamp": "1000000000",
    "group_concat_max_len": "4",
    "collation_connection": "utf8mb4_bin",
    "default_collation_for_utf8mb4": "utf8mb4_bin",
    "lc_time_names": "'de_DE'",
    "max_error_count": "0",
    "max_sort_length": "8",
    "sort_buffer_size": "32768",
    "system_versioning_asof": "'2020-01-01 00:00:00'",
    "default_regex_flags": "'EXTENDED,DOTALL'",
    "old_mode": "'ZERO_DATE_TIME_CAST'",
    "standard_compliant_cte": "OFF",
    "max_recursive_iterations": "3",
    "cte_max_recursion_depth": "3",
    "div_precision_increment": "0",
    "default_week_format": "6",
    "block_encryption_mode": "'aes-256-ecb'",
    "sql_auto_is_null": "1",
    "last_insert_id": "2",
    "completion_type": "2",
    "tx_isolation": "'READ-UNCOMMITTED'",
    "wsrep_dirty_reads": "1",
    "ob_read_consistency": "'WEAK'",
    "is_result_accurate": "0",
    "wait_timeout": "2",
    "net_write_timeout": "1",
    "lock_wait_timeout": "1",
    "idle_transaction_timeout": "2",
    "idle_readonly_transaction_timeout": "2",
    "ob_trx_idle_timeout": "2000000",
    "sql_select_limit": "1",
    "max_join_size": "1",
    "sql_big_selects": "0",
    "sql_notes": "0",
    "note_verbosity": "''",
    "sql_safe_updates": "1",
    "big_tables": "1",
    "lc_messages": "'de_DE'",
    "autocommit": "0",
    "tx_read_only": "0",
}
