"""Words for people by what they do: a text called `handled_by`, `cust_name`, `ywy` or 经办人 holds a name."""

import re
from typing import Final

_ENGLISH: Final = (
    r"cust|customer|client|member|user|buyer|seller|payer|payee|passenger|driver|courier|rider|patient|doctor|nurse|"
    r"student|pupil|teacher|tutor|parent|guardian|guest|visitor|resident|householder|landlord|lessee|"
    r"employee|emp|staff|worker|salesman|saleswoman|salesperson|sales_?rep|agent|broker|operator|cashier|waiter|"
    r"keeper|manager|leader|supervisor|director|principal|boss|owner|holder|handler|assignee|applicant|candidate|"
    r"approver|auditor|reviewer|checker|inspector|creator|updater|modifier|"
    r"editor|author|writer|submitter|reporter|registrant|recorder|receiver|recipient|consignee|consignor|addressee|"
    r"sender|shipper|contact|contact_?(?:person|man)|linkman|referrer|inviter|borrower|guarantor|insured|"
    r"beneficiary|signer|signatory|witness|proposer|donor|winner|player|speaker|interviewer|interviewee|relative|spouse|"
    r"father|mother|husband|wife|legal_?(?:person|rep)|admin|person|person_?in_?charge"
)
# First letters of 客户 会员 顾客 患者 病人 员工 学生, which by themselves are other words too.
_PINYIN_WITH_NAME: Final = "kh|hy|gk|hz|br|yg|xs"
_PINYIN: Final = (
    r"kehu|huiyuan|yonghu|guke|xuesheng|xueyuan|laoshi|jiaoshi|yisheng|hushi|huanzhe|bingren|siji|chengke|yuangong|"
    r"lianxiren|shouhuoren|shoujianren|jijianren|fahuoren|jingbanren|jingshouren|fuzeren|shenqingren|shenpiren|"
    r"shenheren|zhidanren|chuangjianren|lururen|dengjiren|caozuoren|caozuoyuan|yewuyuan|xiaoshouyuan|shouyinyuan|"
    r"peisongyuan|kuaidiyuan|jiaxi|jiazhang|faren|danbaoren|jiekuanren|fukuanren|shoukuanren|"
    # First letters of 联系人 收货人 收件人 寄件人 发货人 经办人 经手人 负责人 申请人 审批人 and so on.
    r"lxr|shr|sjr|jjr|fhr|jbr|jsr|fzr|sqr|spr|shry|zdr|cjr|xgr|lrr|djr|czr|czy|ywy|xsy|syy|psy|"
    r"kdy|khjl|xmjl|jhr|dbr|jkr|fkr|skr|bxr|bbxr|tbr|syr|fddbr|frdb"
)
_ALONE: Final = re.compile(
    rf"_(?:(?:{_ENGLISH})s?|{_PINYIN})_$|"
    r"_(?:\w+ed|written|made|done|sent|sold|bought|given|paid|taken|approve|create|update|modify|handle|audit|review|"
    r"operate|submit|assign|delete|edit|check)_by_$|_assigned_to_$"
)
# `user_agent` is a browser's, rows are ordered by nobody, and `is_member` is a flag.
_NOBODY: Final = re.compile(
    r"^_(?:is|has|can|no)_|"
    r"_(?:user|http|browser|mail|ssh|ftp|web|api|app|db|redis|sdk|oauth|jdbc|odbc|database|file|printer|video|network|"
    r"mobile|system|boolean|logical|sql|math|telecom|sort|filter|search|query)_(?:agent|client|driver|operator|handler|"
    r"editor|player|manager|reporter)_$|"
    r"_(?:sharded|ordered|sorted|grouped|powered|filtered|partitioned|clustered|ranked|indexed|divided|multiplied|"
    r"followed|required)_by_$"
)
_WITH_NAME: Final = re.compile(
    rf"_(?:{_ENGLISH}|{_PINYIN}|{_PINYIN_WITH_NAME}|\w+_by)_?"
    r"(?:names?|nm|full_?name|real_?name|cn_?name|en_?name|mc|mingcheng|mingzi|xm|xingming|mz)_$|_(?:yh|js|ys|ls|sj|jz|cz|jh|sq|zd|lx|sh|fh|jb)r?xm_$|_wx_?(?:name|nc|nick|nickname)_$"
)
_CHINESE: Final = re.compile(
    r"(?<!机器)人$|[员者]$|(客户|顾客|用户|买家|卖家|业主|租客|住户|司机|乘客|旅客|学生|教师|老师|医生|大夫|护士|员工|职工|家长|店长|班长|"
    r"组长|队长|经理|主管|骑手|师傅|户主|掌柜|配偶|父亲|母亲)$"
)


def is_person(words: str) -> bool:
    """Whether joined words are those for a person, or for the name of one."""
    if _WITH_NAME.search(words):
        return True
    return not _NOBODY.search(words) and _ALONE.search(words) is not None


def is_person_in_chinese(text: str) -> bool:
    """Whether a Chinese name of a column ends with a word for a person."""
    return _CHINESE.search(text) is not None
