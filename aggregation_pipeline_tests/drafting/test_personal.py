"""Which columns hold personal data: by their names and comments, and by the form of their values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.drafting.chinese_names import is_chinese_name
from aggregation_pipeline.drafting.personal_names import kind_of_column
from aggregation_pipeline.drafting.personal_values import holds_personal, is_bank_card, is_id_card, kind_of_value
from aggregation_pipeline.drafting.sampling import facts_of

OTHERS = (
    "id status phone_type phone_verified_at mobile_count email_status email_template_id token_count address_id "
    "mac_address name title sku city age balance shop_name product_name created_at telemetry hotel description "
    "ship ip_count equipment 手机型号 联系人数量 是否绑定手机 图片地址 商品名称 邮箱状态 url image_url company "
    "user_agent sort_by ordered_by http_client client_type agent_id driver_status customer_level is_member "
    "spmc xmmc cpmc dpmc hz kh region province_city_area branch_name supplier brand_name 人数 "
    "客户来源 业务员编号 城市 机器人 会员数 status2 level_1 name2 is_pass pass_count 手機型號 聯絡人數量 圖片地址"
)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "phone",
            "phone mobile Mobile userPhone receiver_phone tel contact_tel telNo shouji shoujihao sjhm lxdh dh 手机号",
        ),
        ("email", "email e_mail EMail userEmail mail youxiang 邮箱 联系邮箱 電子郵件 電郵"),
        ("id_card", "id_card idCardNo identity_no sfzh sfzhm shenfenzhenghao passport_no cert_no 身份证号 证件号码"),
        ("bank_card", "bank_card bankCardNo card_no bank_account yinhangka yhkh 银行卡号 credit_card 銀行帳號"),
        ("openid", "openid open_id wx_openid unionId"),
        ("name", "real_name username userName nickname full_name xingming consignee receiver_name 姓名 收货人 contact"),
        (
            "name",
            (
                "customer cust cust_name client passenger driver patient salesman agent agent_name operator handled_by "
                "handledBy created_by created_by_name approved_by update_user receiver contact khmc khxm lxr shr "
                "jbr ywy czy fzr wxname lianxiren 客户 经办人 联系人 收货人 患者 司机 业务员 操作员 审批人 销售经理"
            ),
        ),
        ("address", "address addr home_address detail_addr receiverAddress dizhi dz shdz 地址 收货地址 street"),
        ("birthday", "birthday birth_date dob csrq 出生日期"),
        ("contact", "wechat weixin wx wxh qq wx_no plate_no 微信 微信号 车牌号 支付宝账号 alipay"),
        ("ip", "ip client_ip last_login_ip ip_address ipAddr 登录IP"),
        ("secret", "password passwd pwd salt api_key access_token app_secret 密码"),
        ("phone", "mob_no contact_no 手機號碼 行動電話 聯絡方式 tel2 lxdh_1"),
        ("name", "contact1 xingming2 receiver_2"),
        ("id_card", "身分證字號 驾照 nric social_security"),
        ("secret", "密碼 pass user_pass pass_hash jwt cvv pwd2"),
        ("free_text", "note remark buyer_note memo 备注 买家留言 備註"),
    ],
)
def test_a_name_says_what_a_column_holds(kind: str, names: str):
    assert {name: kind_of_column("t", name) for name in names.split()} == dict.fromkeys(names.split(), kind)


@pytest.mark.parametrize("name", OTHERS.split())
def test_other_names_say_nothing(name: str):
    assert kind_of_column("products", name) is None


@pytest.mark.parametrize(
    ("table", "column", "comment", "kind"),
    [
        ("users", "name", "", "name"),
        ("products", "name", "", None),
        ("会员表", "xm", "", "name"),
        ("t", "f1", "收货人手机号（加密）", "phone"),
        ("t", "f1", "状态: 1 已绑定手机", None),
        ("t", "f1", "用户编号, from the phone", None),
        ("t", "f1", "mobile phone", "phone"),
        ("t", "f1", "registered by phone or by mail before 2020", None),
        ("t", "f1", "家庭住址", "address"),
        ("t", "f1", "IP地址", "ip"),
        ("t", "f1", "密码错误次数", None),
        ("t", "f1", "", None),
    ],
)
def test_a_comments_first_words_say_it_too(table: str, column: str, comment: str, kind: str | None):
    assert kind_of_column(table, column, comment) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("13812345678", "phone"),
        ("+86 138 1234 5678", "phone"),
        ("8613812345678", "phone"),
        ("010-65551234", "phone"),
        ("(0571) 8655 1234", "phone"),
        ("0755-26551234-801", "phone"),
        ("+86 10 6555 1234", "phone"),
        ("+1 415 555 2671", "phone"),
        ("0312345678", None),
        ("020-123", None),
        ("2026-11-27", None),
        ("12812345678", None),
        ("(415) 555-0123", "phone"),
        ("li.lei+1@example.com.cn", "email"),
        ("@example.com", None),
        ("11010519491231002X", "id_card"),
        ("11010519491231002x", "id_card"),
        ("110105194912310021", None),
        ("110105194913310020", None),
        ("110105491231002", "id_card"),
        ("6222 0212 3456 7890 128", "bank_card"),
        ("6222 0212 3456 7890 127", None),
        ("4111111111111111", "bank_card"),
        ("6228480402564890018", "bank_card"),
        ("4111111111111112", None),
        ("5555555555555555", None),
        ("oGZUI0egBJY1zhBYw2KhdUfwVJJE", "openid"),
        ("20261127000001", None),
        ("1700000000000", None),
        ("active", None),
        ("", None),
    ],
)
def test_a_value_is_told_by_its_form_and_its_check_digit(text: str, kind: str | None):
    assert kind_of_value(text) == kind


@pytest.mark.parametrize(
    "values",
    [
        ["张三", "李四"],
        ["張三", "歐陽娜娜"],
        [*["张三", "李四", "王小明", "欧阳娜娜", "古丽·买买提"] * 9, "", "无", "-", "测试"],
    ],
)
def test_a_column_of_chinese_names_is_told_by_their_surnames(values: list[str]):
    assert facts_of(values).kind == "name"


@pytest.mark.parametrize(
    "words",
    [
        "北京 上海 广州 苏州 郑州 武汉 沈阳 石家庄 唐山",
        "江苏 安徽 江西 甘肃 宁夏 吉林",
        "普通会员 黄金会员 白金会员",
        "普通 黄金 白金 钻石",
        "高级 中级 初级",
        "白色 黄色 金色",
        "白酒 黄酒",
        "程序员 张",
        "张三",
        "数码 服装 食品 任务",
    ],
)
def test_places_goods_and_grades_are_no_names(words: str):
    assert facts_of(words.split() * 9).kind is None


def test_only_cells_that_say_something_are_counted():
    assert facts_of(["13812345678", *["", " ", None, "无", "-", "N/A", "0"] * 9]).kind == "phone"
    assert facts_of(["无", "-"]).kind is None


def test_of_one_in_ten_random_numbers_the_check_digit_is_right():
    numbers = [f"62284804025648{n:05}" for n in range(1000)]
    assert sum(map(is_bank_card, numbers)) == 100
    assert sum(is_id_card(f"11010519491231{n:04}") for n in range(1000)) in range(80, 100)


@pytest.mark.parametrize(
    "text", ["请打 13812345678 谢谢", "mail a.b@example.com!", "ID:11010519491231002X", "电话13812345678"]
)
def test_personal_data_is_found_in_the_middle_of_a_text(text: str):
    assert holds_personal(text)


@pytest.mark.parametrize("text", ["order 20261127138123456789", "a@b", "8 pieces", "ISBN 9787302511113", "📚"])
def test_other_texts_hold_none(text: str):
    assert not holds_personal(text)


@given(st.text(), st.text(), st.text())
def test_any_name_and_value_is_answered(table: str, name: str, text: str):
    kind_of_column(table, name, text)
    kind_of_value(text)
    is_chinese_name(text)
    holds_personal(text)
