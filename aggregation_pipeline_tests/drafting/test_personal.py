"""Which columns hold personal data: by their names and comments, and by the form of their values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.drafting.personal_names import kind_of_column
from aggregation_pipeline.drafting.personal_values import holds_personal, is_bank_card, is_id_card, kind_of_value

OTHERS = (
    "id status phone_type phone_verified_at mobile_count email_status email_template_id token_count address_id "
    "mac_address name title sku city age balance shop_name product_name created_at telemetry hotel description "
    "ship ip_count equipment 手机型号 联系人数量 是否绑定手机 图片地址 商品名称 邮箱状态 url image_url company"
)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "phone",
            "phone mobile Mobile userPhone receiver_phone tel contact_tel telNo shouji shoujihao sjhm lxdh 手机号",
        ),
        ("email", "email e_mail EMail userEmail mail youxiang 邮箱 联系邮箱"),
        ("id_card", "id_card idCardNo identity_no sfzh sfzhm shenfenzhenghao passport_no cert_no 身份证号 证件号码"),
        ("bank_card", "bank_card bankCardNo card_no bank_account yinhangka yhkh 银行卡号 credit_card"),
        ("openid", "openid open_id wx_openid unionId"),
        ("name", "real_name username userName nickname full_name xingming consignee receiver_name 姓名 收货人 contact"),
        ("address", "address addr home_address detail_addr receiverAddress dizhi 收货地址 street"),
        ("birthday", "birthday birth_date dob csrq 出生日期"),
        ("contact", "wechat weixin qq wx_no plate_no 微信号 车牌号"),
        ("ip", "ip client_ip last_login_ip ip_address ipAddr 登录IP"),
        ("secret", "password passwd pwd salt api_key access_token app_secret 密码"),
        ("free_text", "note remark buyer_note memo 备注 买家留言"),
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
        ("12812345678", None),
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
    holds_personal(text)
