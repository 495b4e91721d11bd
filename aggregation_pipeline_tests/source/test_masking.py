"""Partial masks keep a little of each text, and hide the rest and its length."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.sql.trees import returns_cell_values
from aggregation_pipeline.source.masking import partial_text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("li@example.com", "l****@example.com"),
        ("l@example.com", "****@example.com"),
        ("13812345678", "138****5678"),
        ("+86 138 1234 5678", "+86****5678"),
        ("11010119900307123X", "110****123X"),
        ("张三", "张****"),
        ("Li Na", "L****a"),
        ("Lina", "L****"),
        ("欧阳娜娜", "欧****"),
        ("Zhang San", "Z****n"),
        ("12345678", "1****8"),
        ("😀😀", "😀****"),
        # Text behind an @ that is no domain, or not all of the cell.
        ("微信@张三丰13812345678", "微****8"),
        ("lilei@example.com, 13812345678", "l****8"),
        ("13812345678 lilei@example.com", "1****m"),
        ("call me @ 13812345678", "c****8"),
        ("weibo@某人 家住北京市海淀区中关村大街1号", "w****号"),
        ("name: Li Lei, pwd@hunter2-secret", "n****t"),
        ("a\n@x y z", "a****z"),
        ("lilei@example.com\n", "l****\n"),
        ("lilei@example.com\u3000张三", "l****三"),
        ("wechat@13812345678", "w****8"),
        ("wechat@13812345678.com", "w****m"),
        ("wechat@138-1234-5678.com", "w****m"),
        ("wechat@li.13812345678", "w****8"),
        ("ip@192.168.10.77", "i****7"),
        ("li@lei@example.com", "l****m"),
        ("li lei@example.com", "l****m"),
        ("lilei@邮箱.中国", "l****国"),
        ("lilei@xn--fsq.xn--fiqs8s", "l****s"),
        ("@example.com", "@****m"),
        ("lilei@-.com", "l****m"),
        ("张三@mail.163.com", "张****@mail.163.com"),
        ("a", "****"),
        ("", ""),
        (None, None),
    ],
)
def test_partial_leaves_what_suits_the_kind_of_text(text: str | None, left: str | None):
    assert partial_text(pa.array([text], pa.string())).to_pylist() == [left]


def test_what_an_expression_puts_before_an_at_makes_no_domain_of_the_rest():
    assert partial_text(pa.array(["x@13812345678"]), addresses=False).to_pylist() == ["x****8"]
    for sql in ("`email`", "(users.email)", "(LOWER(TRIM(email)))", "MAX(`email`)"):
        assert returns_cell_values(sql), sql
    for sql in (
        "(CONCAT('x@', phone))",
        "(TRIM('x' FROM email))",
        "(MAX(CONCAT('x@', phone)))",
        "(COALESCE(phone, email))",
        "(1)",
    ):
        assert not returns_cell_values(sql), sql


@given(st.text(min_size=1) | st.from_regex(r"\A[^@]{1,10}@[^@]{1,20}\Z"))
def test_partial_hides_part_of_any_text_and_does_not_tell_its_length(text: str):
    (left,) = partial_text(pa.array([text])).to_pylist()
    assert "****" in left
    kept = left.replace("****", "", 1)
    assert len(kept) < len(text)
    assert len(kept) <= 7 or re.fullmatch(r"[^@\s]?@[A-Za-z0-9.-]+\.[A-Za-z]+", kept)
