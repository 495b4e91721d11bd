"""The words of states, and of what is wrong, in both languages; and how each is shown."""

from typing import Final

from aggregation_pipeline.web.common.page import Texts

_CHECK: Final = (
    "`aggregation-pipeline check` looks at it, and says what to do.",
    "运行 `aggregation-pipeline check` 可查看原因和处理办法。",
)

WORDS: Final[Texts] = {
    "state_failed": ("failed", "失败"),
    "state_missed": ("missed", "漏跑"),
    "state_late": ("late", "迟到"),
    "state_broken": ("bad entry", "配置错误"),
    "state_check_failed": ("check failed", "检查未通过"),
    "state_running": ("running", "运行中"),
    "state_unknown": ("unknown", "未知"),
    "state_never": ("never published", "未发布过"),
    "state_ok": ("ok", "正常"),
    "status_completed": ("completed", "成功"),
    "status_failed": ("failed", "失败"),
    "status_skipped": ("skipped", "跳过"),
    "status_in_progress": ("running", "运行中"),
    "status_pending": ("waiting", "排队中"),
    "concern_service_failing": ("service", "服务异常"),
    "concern_dependency_failing": ("dependency", "依赖异常"),
    "concern_table_failed": ("failed", "失败"),
    "concern_table_missed": ("missed", "漏跑"),
    "concern_table_late": ("late", "迟到"),
    "concern_table_broken": ("bad entry", "配置错误"),
    "concern_check_failed": ("check failed", "检查未通过"),
    "concern_mirror_behind": ("batch_jobs behind", "batch_jobs 滞后"),
    "concern_sensors_stopped": ("sensors stopped", "传感器已停"),
    "concern_schedule_stopped": ("schedule stopped", "调度已停"),
    "concern_check_warned": ("check warned", "检查告警"),
    "about_service_failing": _CHECK,
    "about_dependency_failing": _CHECK,
    "about_mirror_behind": _CHECK,
    "about_sensors_stopped": (
        "Rows of batch_jobs and alerts may come late while they are stopped.",
        "停止期间，batch_jobs 的记录和告警可能延迟。",
    ),
    "about_table_missed": (
        "Its schedule ticked, and no batch has begun since.",
        "调度时间已到，但一直没有批次开始。",
    ),
    "about_table_late": (
        "Its data is older than freshness in its entry allows.",
        "数据已超过表配置中 freshness 规定的期限。",
    ),
    "about_schedule_stopped": (
        "Somebody has stopped it in Dagster: its tables do not run by themselves.",
        "已有人在 Dagster 中将其停止，相关表不会自动运行。",
    ),
    "probe_postgres": ("Dagster's PostgreSQL", "Dagster 的 PostgreSQL"),
    "probe_codeLocation": ("Code location", "代码服务"),
    "probe_daemon": ("Daemon", "守护进程 (daemon)"),
    "probe_mysql": ("MySQL", "MySQL"),
    "probe_postgresql": ("PostgreSQL, the source", "数据源 PostgreSQL"),
    "probe_files": ("Store of the files", "文件存储"),
    "probe_batchJobs": ("Database of batch_jobs", "batch_jobs 数据库"),
    "probe_mirror": ("Mirror", "同步"),
    "probe_sensors": ("Sensors", "传感器"),
}

# The class of each state or status: how it is coloured. Any other word is `none`.
KINDS: Final = {
    **dict.fromkeys(("failed", "broken", "check_failed", "missed", "late"), "bad"),
    **dict.fromkeys(("running", "in_progress", "pending"), "open"),
    **dict.fromkeys(("ok", "completed"), "ok"),
}
