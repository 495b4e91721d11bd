"""Which kind of personal data a column holds, by its name and its comment: English, pinyin, 中文.

A name says it as a whole: `phone_verified` and `联系人数量` are about something else. The caller judges types.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from aggregation_pipeline.drafting.people_words import is_person, is_person_in_chinese
from aggregation_pipeline.drafting.personal_kinds import Kind
from aggregation_pipeline.drafting.traditional import simplified

# Words joined by underscores, the first kind that fits. `_` stands at both ends of a name.
_NAMES: Final[Mapping[Kind, str]] = {
    "secret": (
        r"_(password|passwd|passcode|pwd|salt|secret|token|mima|credentials?|session_?key|(api|access|"
        r"private|secret|app)_?(key|secret))_|password|passwd|secret_?key|_otp_|_pin_(code)?_|"
        r"^_((user|login|admin|account|db|mail|pay|my)_?)?pass_$|_pass_?(hash|phrase)_|_pw_?(hash)?_$|_jwt_|_bearer_|_cv[vc]2?_"
    ),
    "openid": r"_(open|union)_?id_|_wx_?id_|openid|unionid",
    "email": r"e_?mail|_mail_|youxiang|_dzyx_|_yx_",
    "phone": (
        r"phone|mobile|_cell_|_tel_|_tel(no|num|number)?_|msisdn|_fax_|shouji|dianhua|_sjh(m)?_|_(lx)?(dh|sj)_$|_lx(dh|fs)_|"
        r"_(dh|sj)hm_|_land_?line_|_(mob|ph|cell|contact)_?(no|num|number)_|_mob_$"
    ),
    "id_card": (
        r"id_?card|_ident(ity|ification)_?(card|no|num|number|code)_|_id_?(no|num|number)_|shenfenzheng|"
        r"_sfz(h|hm|hao)?_|_zjh(m)?_|zhengjianhao|_ssn_|_cert(ificate)?_?(no|num|number|code)_|national_?id|"
        r"citizen_?(id|no)|social_?security|_nric_|_hkid_|aadhaar|passport|_(driver|driving)_?licen[cs]e"
    ),
    "bank_card": (
        r"bank_?(card|account|acct)|(credit|debit)_?card|_card_?(no|num|number)_|_iban_|yinhangka|kahao|"
        r"_yhk(h|hm)?_|_bank_?acc_|_account_?(no|num|number)_|_acct_?no_"
    ),
    "ip": r"_ip_|_ip(v4|v6)?_?addr(ess)?_|_(client|login|last|remote|register|reg|user)_?ip_",
    "birthday": r"birth|_dob_|shengri|_csrq_|chushengriqi",
    "name": (
        r"_(real|true|full|first|last|middle|family|given|sur|user|nick|login|contact|receiver|recipient|"
        r"consignee|buyer|payer|payee|customer|member|client|employee|staff|driver|patient|student|teacher|"
        r"doctor|person|guest|owner|holder|card_?holder|cardholder|account|applicant|linkman|operator|author"
        r"|sender|shipper)_?names?_|"
        r"_(surname|nickname|username|nick|consignee|recipient|receiver|linkman|cardholder|legal_?person|"
        r"contacts?_?(person)?|xingming|lianxiren|lxr|shoujianren|shouhuoren|zsxm|nicheng)_$"
    ),
    "address": (
        r"(?<!_ip)(?<!_mac)(?<!_web)(?<!_url)(?<!_site)(?<!_http)_addr(ess)?(es)?(_?(1|2|line|detail|info))*_|"
        r"_(detail|full|home|street|shipping|delivery|receiver|user)_?addr(ess)?_|_street_|dizhi|zhuzhi|"
        r"_jtzz_|_(sh|jt|xx|jz|tx|lx|zz|fh|sj|jj|kh|ps|hk|hj|xz)?dz_$|_domicile_"
    ),
    "contact": (
        r"wechat|weixin|_wx_?(no|num|number|account|hao)_|_wx_$|_wxh_|_qq_?(no|num|number|hao)?_|_skype_|whatsapp|"
        r"_telegram_|_dingtalk_|plate_?(no|num|number)|licen[cs]e_?plate|_car_?(no|plate)_|chepai|_imei_|"
        r"_idfa_|_ali_?pay_?(account|id|no)?_$|_zfb(zh)?_$"
    ),
    "free_text": (
        r"_(notes?|remarks?|memo|messages?|feedback|complaint|beizhu|liuyan|bz|signature|bio|"
        r"buyer_?(msg|words|note))_"
    ),
}
# The same of a comment's first words.
_CHINESE: Final[Mapping[Kind, str]] = {
    "secret": r"密码|口令|密钥|秘钥|令牌|盐值|加密盐|验证码",
    "openid": r"openid|unionid",
    "email": r"邮箱|电子邮件|邮件地址|电邮|电子信箱",
    "phone": r"手机|电话|[联连][系络]方式|移动号码|座机|传真",
    "id_card": r"身[份分]证|证件号|护照|社保号|通行证|驾驶证|驾照|(军官|士兵|居住|居留|台胞|回乡|健保|医保)[证卡]",
    "bank_card": r"银行卡|卡号|银行账[号户]|银行帐[号户]|信用卡|收款账[号户]",
    "ip": r"IP地址|登[录陆]IP|客户端IP|注册IP|^IP$",
    "birthday": r"生日|出生",
    "name": (
        r"姓名|真实名|昵称|用户名|收[货件]人$|收[货件]人名|联系人$|联系人名|持卡人|法人|户名|"
        r"登[录陆]名|登[录陆]账号|(客户|会员|患者|员工|司机|顾客|买家)(名称|名)"
    ),
    "address": (
        r"(?<!图片)(?<!链接)(?<!回调)(?<!接口)(?<!网站)(?<!MAC)(?<!物理)(?<!请求)(?<!文件)地址|"
        r"住址|门牌"
    ),
    "contact": r"微信号|微信$|^微信|QQ|钉钉号|车牌|支付宝(号|[账帐][号户])?$",
    "free_text": r"备注|留言|个性签名|自我介绍|反馈内容|投诉内容|附言",
}
# A column that ends so is about such data, and holds none.
_ABOUT: Final = re.compile(
    r"_(type|status|state|count|counts|cnt|times|model|brand|flag|verified|enabled|template|subject|source|id|ids|at|"
    r"time|date|day|level|rate|score|price|amount|size|length|version|sort|order|category|format|expires?|expired|"
    r"expiry|province|city|area|district|country|code_?type)_$"
)
_ABOUT_IT: Final = re.compile(
    r"(数|数量|次数|类型|类别|状态|时间|日期|来源|编号|ID|型号|品牌|价|金额|等级|版本|模板|标识|标志|有效期|省份?|城市)$|^是否|^有无",
    re.IGNORECASE,
)
_NAME_ALONE: Final = re.compile(r"_(name|xm|names|cname|ename|cn_name|en_name)_")
_NAME_IN_CHINESE: Final = re.compile(r"^(名字|名称|姓名)$")
_OF_PEOPLE: Final = re.compile(
    r"_(users?|members?|customers?|clients?|employees?|staffs?|persons?|people|contacts?|drivers?|patients?|students?|"
    r"teachers?|doctors?|visitors?|accounts?|buyers?|applicants?|candidates?|guests?|residents?|receivers?|"
    r"recipients?|consignees?|admins?|cust|passengers?|sales(man|men|person)|agents?|operators?|couriers?|owners?|"
    r"yonghu|huiyuan|kehu|yuangong)_|用户|会员|客户|员工|人员|患者|学生|教师|司机|联系人|顾客|居民|乘客|业务员|操作员|医生|业主"
)
_HEAD: Final = re.compile(r"[^,，;；:：(（。.、/|\[【\n]*")
_MOST_WORDS: Final = 4
# Of the second of several: tel2, contact_1.
_LAST_NUMBER: Final = re.compile(r"_?[0-9]{1,2}_$")


def kind_of_column(table: str, column: str, comment: str = "") -> Kind | None:
    """The kind that the words of a column speak of; None if they speak of none."""
    for words in (joined_words(column), *_english(comment)):
        if found := _kind_of_words(words, table) or _kind_of_words(_LAST_NUMBER.sub("_", words), table):
            return found
    return next(filter(None, (_kind_in_chinese(text, table) for text in (column, _head(comment)))), None)


def _kind_of_words(words: str, table: str) -> Kind | None:
    about = _ABOUT.search(words)
    for kind, pattern in _NAMES.items():
        found = re.search(pattern, words)
        # What ends a name may belong to the kind: _open_id_, _id_no_, _birth_date_, but not _phone_type_.
        if found and (not about or found.end() == len(words) or kind == "birthday"):
            return kind
    if is_person(words):
        return "name"
    return "name" if _NAME_ALONE.fullmatch(words) and _OF_PEOPLE.search(joined_words(table)) else None


def _kind_in_chinese(written: str, table: str) -> Kind | None:
    text = simplified(written)
    if text.isascii() and "openid" not in text.lower():
        return None
    if _ABOUT_IT.search(text) and not re.search(r"(出生|生日)", text):
        return None
    for kind, pattern in _CHINESE.items():
        if re.search(pattern, text, re.IGNORECASE):
            return kind
    if is_person_in_chinese(text):
        return "name"
    return "name" if _NAME_IN_CHINESE.search(text) and _OF_PEOPLE.search(joined_words(table)) else None


def joined_words(name: str) -> str:
    """Return `receiverPhone` and `receiver-phone` as `_receiver_phone_`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    words = re.sub(r"[\W_]+", "_", simplified(parted)).strip("_").lower()
    return f"_{words}_"


def _english(comment: str) -> Iterator[str]:
    """The first words of a comment in English, if they are few enough to be a name."""
    head = _head(comment)
    if head and head.isascii() and len(head.split()) <= _MOST_WORDS:
        yield joined_words(head)


def _head(comment: str) -> str:
    found = _HEAD.match(comment.strip())
    return found[0].strip() if found else ""
