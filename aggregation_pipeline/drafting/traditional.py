"""Chinese names of columns as Taiwan and Hong Kong write them, in the characters that the patterns here know."""

from typing import Final

# Each traditional character, and behind it the simplified one.
_PAIRS: Final = (
    "萬万東东嚴严個个臨临喬乔鄉乡書书買买產产親亲會会傳传體体餘余側侧冊册馮冯別别刪删剛刚創创劉刘辦办務务動动醫医華华單单賣卖"
    "盧卢衛卫廠厂歷历縣县發发號号後后呂吕吳吴員员團团園园圍围國国圖图場场壩坝備备復复頭头婁娄孫孙學学寧宁實实審审宮宫對对將将"
    "爾尔屬属崗岗島岛嶺岭歲岁幣币師师帳帐莊庄慶庆庫库龐庞開开張张錄录徑径態态總总戶户護护報报換换據据數数斷断無无時时術术機机"
    "來来楊杨標标欒栾歐欧畢毕匯汇漢汉湯汤塗涂溫温灣湾狀状獨独獅狮現现電电鹽盐碼码積积稱称稅税竇窦簽签簡简類类係系繫系級级紀纪"
    "約约組组經经紹绍綁绑結结絡络統统編编網网羅罗繆缪聶聂職职聯联連连肅肃臉脸節节蘆芦蘇苏蕭萧蔣蒋藍蓝蝦虾裝装褲裤訂订計计記记"
    "許许設设證证評评識识訴诉話话語语請请諸诸調调談谈謝谢譚谭負负賬账貨货貸贷費费賀贺資资趙赵車车軒轩轅辕邊边過过運运進进遲迟"
    "鄭郑鄧邓鄺邝鄔邬郵邮鄒邹裡里釘钉鐘钟鍾钟鑰钥錢钱鐵铁銅铜銀银鏈链銷销鎮镇長长門门閆闫間间閻阎隊队陽阳陰阴陸陆陳陈險险韋韦"
    "韓韩順顺顧顾領领頻频顏颜額额飾饰饒饶饋馈馬马駕驾駛驶驛驿駱骆驗验騎骑魯鲁鮑鲍黃黄齊齐齡龄龍龙龔龚暱昵註注離离達达購购點点"
    "質质價价誌志樓楼僑侨葉叶圓圆鄰邻壽寿寶宝聽听職职遞递醫医產产"
)
_SIMPLIFIED: Final = str.maketrans(dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True)))


def simplified(text: str) -> str:
    """The text with the simplified characters for the traditional ones: 手機號碼 as 手机号码."""
    return text if text.isascii() else text.translate(_SIMPLIFIED)
