"""The rows of the sample shop as SQL literals: invented, but with the ups and downs of a real shop.

Everything depends on one seed and the day, so two machines that load on the same day have the same data. Money is drawn
in whole cents, so no DECIMAL comes from a float.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

USERS, PRODUCTS, ORDERS, DAYS = 5_000, 500, 200_000, 90
_HISTORY = DAYS * 8  # days since the shop opened
_SEED = 20_240_618


def _words(text: str) -> list[str]:
    return text.split()


_SURNAMES = _words("王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭 何 林 高 罗 欧阳 司马")
_GIVEN = _words("伟 芳 娜 敏 静 磊 洋 艳 勇 杰 娟 涛 明 超 秀英 志强 建国 雨桐 子涵 欣怡 浩然 思远 𠮷祥")
_FIRST = _words(
    "Anna Ben Clara David Emma Felix Grace Hugo Iris Jack Karin Liam Maya Noah Olivia Paul Rosa Sören Zoë José"
)
_LAST = _words("Smith Brown Müller Schmidt Garcia Rossi Dubois O'Brien Kim Tanaka Silva Novák Jensen Walker Young")
_CITIES = _words("上海 北京 深圳 杭州 成都 广州 武汉 西安 南京 重庆 香港 Singapore Berlin London Toronto")
_SIGNATURES = [
    "好好学习，天天向上 📚",
    "Coffee first ☕",
    "爱猫人士 🐱🐱",
    "人生苦短，我用 Python 🐍",
    "👨‍👩‍👧 一家三口",
    "just browsing…",
    "🎉",
]
_CATEGORIES = {
    "手机数码": ["无线耳机", "充电宝", "机械键盘", "Smart Watch", "USB-C 扩展坞"],
    "家居生活": ["保温杯", "乳胶枕", "台灯", "Air Purifier", "收纳盒"],
    "食品生鲜": ["龙井茶", "阿克苏苹果", "Dark Chocolate", "坚果礼盒", "挂耳咖啡"],
    "服饰鞋包": ["羽绒服", "帆布鞋", "Linen Shirt", "双肩包", "羊毛围巾"],
    "图书文具": ["钢笔", "三体", "Data Warehouse Toolkit", "手账本", "彩色铅笔"],
    "Sports & Outdoor": ["瑜伽垫", "登山杖", "Running Belt", "羽毛球拍", "露营帐篷"],
}
_EDITIONS = ["标准版", "Pro", "Mini", "2.0", "礼盒装", "限量版 ✨", "家庭装", "Lite"]
_TAGS = ["新品", "热卖", "包邮", "eco", "gift", "清仓", "import"]
_NOTES = [
    "请放门口，谢谢 🙏",
    "生日礼物，请包装好 🎁🎂",
    "发顺丰，周末送货",
    'Leave it at the "front desk", please',
    "尽快发货！！",
    "要红色的 ❤️；没有就黑色",
    "+86 先打电话再送",
    "Gift for mom 👩‍🦳",
    "发票抬头：上海某某科技有限公司\n税号稍后提供",
    "别放快递柜",
    "Ring twice; the dog's friendly 🐶",
    "老客户，送点小样吧～",
]
_WEEK = np.array([0.92, 0.90, 0.93, 0.97, 1.10, 1.26, 1.20])  # Monday first
_HOURS = np.array(
    [20, 11, 6, 4, 3, 5, 10, 20, 34, 48, 58, 60, 66, 58, 50, 50, 52, 54, 56, 70, 88, 96, 74, 42], dtype=float
)
_FESTIVALS = {(6, 18): 2.6, (11, 11): 3.2, (12, 12): 2.0}

Ints = npt.NDArray[np.int64]


def users(today: date) -> Iterator[str]:
    """Yield one `(…)` for each user. Ids are in the order of registration, and each month has more than the last."""
    rng = _rng(1)
    seconds = _registrations()
    status = rng.choice(["active", "inactive", "suspended", "pending"], USERS, p=[0.78, 0.14, 0.03, 0.05]).tolist()
    ages = np.clip(rng.normal(33, 11, USERS), 16, 88).astype(np.int64)
    draws: Ints = rng.integers(0, 1 << 30, (USERS, 8))
    idle = (rng.random(USERS) ** 2 * 60 * 86_400).astype(np.int64)
    ends = _HISTORY * 86_400 - 1
    for index, (created, draw) in enumerate(zip(seconds.tolist(), draws.tolist(), strict=True)):
        number = index + 1
        chinese = draw[0] % 10 < 7
        name = (
            _pick(_SURNAMES, draw[1]) + _pick(_GIVEN, draw[2])
            if chinese
            else f"{_pick(_FIRST, draw[1])} {_pick(_LAST, draw[2])}"
        )
        login = f"{'user' if chinese else name.split()[0].lower()}_{number:05d}"
        email = (
            f"'{'user' if chinese else 'mail'}{number}@example.{'cn' if chinese else 'com'}'"
            if draw[3] % 100 < 94
            else "NULL"
        )
        age = str(ages[index]) if draw[4] % 100 < 88 else "NULL"
        signature = _quote(_pick(_SIGNATURES, draw[5])) if draw[5] % 100 < 18 else "NULL"
        seen = f"'{_moment(today, max(created, ends - int(idle[index])))}'" if draw[6] % 100 < 91 else "NULL"
        balance = _money(draw[7] % 500_000 if draw[7] % 3 else 0)
        yield (
            f"({number},{_quote(login)},{_quote(name)},{email},'{status[index]}',{age},"
            f"{_quote(_pick(_CITIES, draw[6]))},{balance},{signature},'{_moment(today, created)}',{seen})"
        )


def products(today: date) -> Iterator[str]:
    """Yield one `(…)` for each product, ids from 1."""
    prices = product_prices().tolist()
    draws: Ints = _rng(3).integers(0, 1 << 30, (PRODUCTS, 6))
    categories = list(_CATEGORIES)
    for index, draw in enumerate(draws.tolist()):
        category = _pick(categories, draw[0])
        name = f"{_pick(_CATEGORIES[category], draw[1])} {_pick(_EDITIONS, draw[2])}"
        tags = [tag for position, tag in enumerate(_TAGS) if draw[3] >> position & 3 == 0]
        document = "NULL" if draw[3] % 20 == 0 else _quote(json.dumps(tags, ensure_ascii=False))
        weight = "NULL" if draw[4] % 8 == 0 else f"{draw[4] % 12_000 / 1000:.3f}"
        created = draw[5] % (_HISTORY * 86_400)
        yield (
            f"({index + 1},'SKU-{index + 1:04d}',{_quote(name)},{_quote(category)},{_money(prices[index])},"
            f"{draw[4] % 900},{weight},{document},'{_moment(today, created)}')"
        )


def product_prices() -> Ints:
    """Return the list price of each product in cents; most end in .00, .90 or .99."""
    rng = _rng(2)
    whole = np.exp(rng.normal(4.4, 1.0, PRODUCTS)).clip(5, 8_000).astype(np.int64) * 100
    cents: Ints = whole - rng.choice(np.array([0, 1, 10, 50]), PRODUCTS, p=[0.35, 0.35, 0.2, 0.1])
    return cents


def orders(today: date) -> Iterator[str]:
    """Yield one `(…)` for each order of the `DAYS` days before `today`, ids from 1 in the order of `created_at`."""
    rng = _rng(4)
    seconds = _order_seconds(rng, today)
    # A few products and customers make most of the sales.
    product = (rng.random(ORDERS) ** 2.2 * PRODUCTS).astype(np.int64)
    registered = np.searchsorted(_registrations(), seconds + (_HISTORY - DAYS) * 86_400)
    user = (rng.random(ORDERS) ** 1.4 * registered).astype(np.int64)
    quantity = rng.choice(
        np.array([1, 2, 3, 4, 5, 6, 10, 24]), ORDERS, p=[0.62, 0.19, 0.08, 0.04, 0.03, 0.02, 0.015, 0.005]
    )
    discount = rng.choice(np.array([100, 95, 90, 88, 70]), ORDERS, p=[0.6, 0.15, 0.12, 0.1, 0.03])
    price = product_prices()[product] * discount // 100
    age = DAYS * 86_400 - seconds
    status = _statuses(rng, age)
    delay = (rng.exponential(240, ORDERS) + 4).astype(np.int64)
    paid_at = np.where(np.isin(status, ["pending", "cancelled"]), -1, seconds + np.minimum(delay, age - 1))
    channel = rng.choice(["小程序", "app", "web", "门店"], ORDERS, p=[0.44, 0.33, 0.17, 0.06])
    notes = [_quote(note) for note in _NOTES]
    note = np.where(rng.random(ORDERS) < 0.12, rng.integers(0, len(notes), ORDERS), -1)
    created_text, paid_text = _moments(today, seconds), _moments(today, paid_at)
    columns = (user, product, quantity, price, paid_at, note)
    rows = zip(
        *(column.tolist() for column in columns),
        status.tolist(),
        channel.tolist(),
        created_text,
        paid_text,
        strict=True,
    )
    for number, (by, what, many, cents, paid, words, state, via, created, when) in enumerate(rows, start=1):
        yield (
            f"({number},{by + 1},{what + 1},{many},{cents // 100}.{cents % 100:02d},'{state}','{via}','{created}',"
            f"{'NULL' if paid < 0 else chr(39) + when + chr(39)},{'NULL' if words < 0 else notes[words]})"
        )


def _registrations() -> Ints:
    """Return the seconds from the opening of the shop to each registration, ascending."""
    return np.sort((np.sqrt(_rng(5).random(USERS)) * _HISTORY * 86_400).astype(np.int64))


def _order_seconds(rng: np.random.Generator, today: date) -> Ints:
    """Return the seconds from the first day to each order, ascending.

    Sales follow the days of the week, grow slowly, rise at festivals, and have their peaks at noon and at nine.
    """
    start = today - timedelta(days=DAYS)
    days = [start + timedelta(days=index) for index in range(DAYS)]
    festival = np.array([_FESTIVALS.get((day.month, day.day), 1.0) for day in days])
    weights = (
        _WEEK[[day.weekday() for day in days]]
        * np.linspace(0.85, 1.15, DAYS)
        * festival
        * rng.normal(1, 0.05, DAYS).clip(0.8, 1.2)
    )
    day = rng.choice(DAYS, ORDERS, p=weights / weights.sum())
    hour = rng.choice(24, ORDERS, p=_HOURS / _HOURS.sum())
    return np.sort(day * 86_400 + hour * 3_600 + rng.integers(0, 3_600, ORDERS))


def _statuses(rng: np.random.Generator, age: Ints) -> npt.NDArray[np.str_]:
    """Return a status for each order by its age in seconds: new orders may be unpaid, old ones are over."""
    draw = rng.random(ORDERS)
    done = np.select([draw < 0.88, draw < 0.95], ["completed", "cancelled"], "refunded")
    under_way = np.select([draw < 0.62, draw < 0.93], ["shipped", "completed"], "cancelled")
    new = np.select([draw < 0.55, draw < 0.90], ["paid", "pending"], "cancelled")
    return np.select([age < 1.5 * 86_400, age < 8 * 86_400], [new, under_way], done)


def _rng(part: int) -> np.random.Generator:
    # One generator for each table: a change to one table does not change the rows of the others.
    return np.random.default_rng([_SEED, part])


def _pick(choices: list[str], draw: int) -> str:
    return choices[draw % len(choices)]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _quote(text: str) -> str:
    # Only for our own constants, which have no backslash. json.dumps writes one before a quotation mark, but no tag has
    # one.
    return "'" + text.replace("'", "''") + "'"


def _moment(today: date, seconds: int) -> str:
    return str(np.datetime64(today - timedelta(days=_HISTORY), "s") + np.timedelta64(seconds, "s")).replace("T", " ")


def _moments(today: date, seconds: Ints) -> list[str]:
    start = np.datetime64(today - timedelta(days=DAYS), "s")
    return [text.replace("T", " ") for text in np.datetime_as_string(start + seconds.astype("timedelta64[s]")).tolist()]
