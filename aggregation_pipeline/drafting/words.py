"""What a draft says in its comments, in English and Chinese."""

from collections.abc import Mapping
from typing import Final, Literal

from aggregation_pipeline.drafting.personal_kinds import Kind

Language = Literal["en", "zh"]

# Each text in English and Chinese.
TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "head": (
        """What is made of each table: drafted by aggregation-pipeline init from the database {database}. Edit it.
Called again, init adds new tables below and changes no line that is here.
All keys: docs/configuration.md. What a run would do: aggregation-pipeline plan.""",
        """每张表怎样汇总：由 aggregation-pipeline init 根据数据库 {database} 起草，可以随意修改。
再次执行 init 只会在下面追加新表，不会改动已有的任何一行。
所有配置项见 docs/configuration.zh-CN.md；运行会做什么，用 aggregation-pipeline plan 查看。""",
    ),
    "drafted": ("Drafted on {day}; {rows}.", "{day} 起草，{rows}。"),
    "estimated": ("rows: about {rows:,} by the server's statistics", "约 {rows:,} 行（服务器的统计信息）"),
    "counted": ("rows: {rows:,}", "{rows:,} 行"),
    "at least": ("rows: {rows:,} or more", "至少 {rows:,} 行"),
    "unknown": ("rows: not known", "行数未知"),
    "family": (
        "{count:,} tables with the same columns, whose names differ in one number: read as one.",
        "{count:,} 张表，名字只差一个编号，列相同，当作一张表读取。",
    ),
    "gaps": ("Not there, so not read: {names}", "不存在、因此没有读取的编号：{names}"),
    "differ": ("Left out, because their columns differ: {names}", "列不同、没有包括在内的表：{names}"),
    "not merged": (
        "Left out, because several tables cannot tell it together: COUNT DISTINCT of {names}",
        "多张表无法合并、因此没有写的指标：{names} 的 COUNT DISTINCT",
    ),
    "bare parts": (
        "Not cut into days, because not every one of them has an index that begins with {column}.",
        "没有按天切分，因为不是每张分表都有以 {column} 开头的索引。",
    ),
    "not looked at": (
        "No row was looked at, so keys and masks follow from names alone: {why}",
        "没有查看任何数据，分组字段和脱敏只根据列名判断：{why}",
    ),
    "no sample": ("--sample 0", "--sample 0"),
    "too long": ("reading a few rows took too long", "读取少量数据超时"),
    "no limit": (
        "it is a view, and this server cannot limit the time of a statement",
        "这是视图，而该服务器无法限制语句的执行时间",
    ),
    "window": (
        "One set of files a day, by {column}. Without this line the whole table is read each time.",
        "按 {column} 每天一组文件；去掉这一行则每次读取整张表。",
    ),
    "no index": (
        "No index begins with {column}; with one, the table could be cut into days:",
        "没有以 {column} 开头的索引；加上索引后可以按天切分：",
    ),
    "no snapshots": (
        "Its storage engine, or the server, gives no snapshots: rows can be of different moments.",
        "该表的存储引擎或服务器没有快照：各行可能来自不同时刻。",
    ),
    "hidden": ("Personal data, hidden before anything is written to disk.", "个人信息，写入磁盘之前就已脱敏。"),
    "by name": ("{kind}, by its name or comment", "{kind}（依据列名或注释）"),
    "by values": ("{kind}, by its values", "{kind}（依据数据）"),
    "by some values": ("{kind}, by what stands in some values", "{kind}（部分数据中出现）"),
    "left out columns": ("Left out, because their cells are no text: {names}", "未导出的列（内容不是文本）：{names}"),
    "refused columns": ("Left out, because of their names: {names}", "未导出的列（列名无法使用）：{names}"),
    "no key": (
        "Without a primary key the rows come in no order.",
        "没有主键，行没有固定顺序。",
    ),
    "not taken": (
        "Tables that init did not take. To take one: aggregation-pipeline init --tables NAME",
        "init 没有采用的表。如需采用：aggregation-pipeline init --tables 表名",
    ),
    "taken": ("taken, also if you delete them above", "已采用，即使上面已删除"),
    "more": ("and {count:,} more tables, which are not listed", "另有 {count:,} 张表未列出"),
    "view": ("views", "视图"),
    "log": ("logs", "日志"),
    "queue": ("queues and jobs", "队列和任务"),
    "migration": ("the schema's migrations", "数据库迁移记录"),
    "session": ("sessions, caches and tokens", "会话、缓存和令牌"),
    "backup": ("backups and temporary tables", "备份和临时表"),
    "numbered": ("numbered tables, parts of one", "分表"),
    "by time": (
        "parts by year, month or day: a new one comes each time, so no list of them stays true",
        "按年、月、日划分的表：每次都会有新表，列表很快过时",
    ),
    "more parts": (
        "further parts of a table that an entry reads: add them to its `table`",
        "某个表配置已在读取的分表的新成员：请加到它的 `table` 里",
    ),
    "other columns": ("parts of one table, with other columns than the rest of it", "分表中列与其他成员不同的表"),
    "smaller": ("smaller than the others", "比其他表小"),
    "chosen": ("not chosen", "未选择"),
    "unreadable": ("cannot be read", "无法读取"),
    "unusable": ("cannot be used", "无法使用"),
}
_KINDS: Final[Mapping[Kind, tuple[str, str]]] = {
    "phone": ("phone number", "电话号码"),
    "email": ("e-mail address", "邮箱"),
    "id_card": ("number of an ID card or passport", "证件号码"),
    "bank_card": ("number of a bank card or account", "银行卡号或账号"),
    "openid": ("openid", "openid"),
    "name": ("name of a person", "姓名或用户名"),
    "address": ("address", "地址"),
    "birthday": ("birthday", "生日"),
    "contact": ("WeChat, QQ, number plate or the like", "微信、QQ、车牌等"),
    "ip": ("IP address", "IP 地址"),
    "free_text": ("text in which people write such data", "可能含个人信息的自由文本"),
    "secret": ("password or key", "密码或密钥"),
}


class Words:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        self._at = ("en", "zh").index(language)

    def say(self, key: str, **parts: object) -> str:
        """Return a text with its parts filled in."""
        return TEXTS[key][self._at].format(**parts)

    def kind(self, kind: Kind) -> str:
        """Return what a kind of personal data is called."""
        return _KINDS[kind][self._at]
