"""Whether a text looks like the name of a Chinese person. One may do so by chance: the caller asks for many."""

import re
from typing import Final

from aggregation_pipeline.drafting.traditional import simplified

# About 95 in 100 people have one of these. Rare ones that begin many words (成, 车, 时) are left out.
_SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范"
    "金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔汤温康施牛樊葛邢安齐易乔伍庞颜倪庄聂章"
    "鲁岳翟殷詹申欧耿焦左柳甘祝尚舒阮纪梅童凌毕裴霍涂苗谷盛曲翁冉骆蓝辛柴蒙鲍喻祁蒲房屈饶牟艾尤阳穆司古吉缪简沙芦苟窦戚柏俞卓"
    "褚佟娄岑桑郎宁仇栾匡裘邬邝郁"
)
_DOUBLE_SURNAMES: Final = (
    "欧阳|上官|司马|诸葛|夏侯|皇甫|尉迟|公孙|慕容|令狐|长孙|宇文|司徒|司空|东方|南宫|独孤|端木|轩辕|百里|呼延"
)
_NAME: Final = re.compile(
    rf"[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}|(?:{_DOUBLE_SURNAMES})[\u4e00-\u9fff]{{1,2}}|"
    r"[\u4e00-\u9fff]{1,8}(?:[·•][\u4e00-\u9fff]{1,8})+"
)
# What ends names of places, goods, shops and grades, and hardly ever one of a person.
_ENDS_OTHERWISE: Final = re.compile(
    r"[省市区县州镇乡村路街店部组级类型色卡款费量值号率场厂院校局所站科期班行网酒茶鞋包机油肉菜果瓜衣裤柜单价额险]$|公司$"
)
# Places and words that begin with a surname.
_OTHER_WORDS: Final = """
江苏 江西 江门 江阴 江北 江南 江东 江汉 江宁 江干 安徽 安庆 安阳 安康 安顺 宁夏 宁波 宁德 甘肃 甘南 吉林 吉安
石家庄 石狮 石河子 石景山 沈阳 武汉 武昌 武进 武威 武夷山 金华 金昌 金山 金东 马鞍山 唐山 秦皇岛 秦淮 黄石 黄山
黄冈 黄浦 黄埔 黄岛 白城 白山 白银 白云 龙岩 龙华 龙岗 龙湾 余姚 余杭 高密 高邮 高新 萧山 林芝 汤原 邢台 娄底
祁阳 岳阳 温岭 康定 齐齐哈尔 鲁山 梅河口 钱塘 罗湖 徐汇 杨浦 房山 顾村 曲阜 曲靖 沙坪坝 阳江 阳泉 蓝田 韩国 古巴
莫斯科 温江 龙泉驿 雷山 黄金 白金 白领 白天 白板 石材 石头 石化 石英 方案 方形 方便 方式 任务 任意 高中 高危
高端 高等 高清 高速 高铁 高频 严重 严格 程序 龙虾 龙头 毛巾 毛呢 毛重 毛利 毛坯 金属 金融 金牌 金币 金刚 马桶
马上 万元 万能 付清 安全 安装 安卓 温度 温和 夏季 夏天 古代 古典 简体 简约 简历 左侧 左边 左右 易碎 易耗 欧式
欧美 章节 司法 司机 章程 申请 申诉 申报 申请中 谷物 梅花 童装 童书 蓝牙 牛奶 牛仔 牛排 江湖 田园 田径 林业 林地
康复 陆运 陆地 汤圆 史书 于是 范围 施工 尚未 武术 盛夏 房产 房屋 房租 房东 房贷 沙发 沙拉 蒙语 甘草 柳编 艾草
柴火 石膏 白糖 白电 黄铜 金银 金饰 庄园 毕业 纪念 纪录
"""
_OTHERS: Final = frozenset(_OTHER_WORDS.split())


def is_chinese_name(text: str) -> bool:
    """Whether a whole value can be a name: a surname and one or two characters more, or parts with dots between."""
    text = simplified("".join(text.split()))
    return _NAME.fullmatch(text) is not None and text not in _OTHERS and not _ENDS_OTHERWISE.search(text)
