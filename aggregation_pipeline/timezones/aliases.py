"""Other names for the time zones of tzdata: countries, cities, and the names of Windows."""

from typing import Final

# For zones that share an offset or an abbreviation: the one that more people mean comes first.
_WELL_KNOWN = (
    "Asia/Shanghai Asia/Singapore Asia/Hong_Kong Asia/Taipei Asia/Tokyo Asia/Seoul America/New_York Europe/London"
    " Europe/Berlin Europe/Paris America/Los_Angeles America/Chicago America/Denver Asia/Kolkata Asia/Dubai"
    " Asia/Bangkok Asia/Jakarta Asia/Ho_Chi_Minh Asia/Manila Australia/Sydney Europe/Moscow Europe/Istanbul"
    " Europe/Madrid Europe/Rome Europe/Athens Europe/Kyiv Asia/Riyadh Asia/Karachi Asia/Dhaka Asia/Tashkent"
    " Asia/Almaty Asia/Yangon Asia/Kathmandu Asia/Tehran Asia/Kabul Asia/Colombo Asia/Jerusalem Asia/Yekaterinburg"
    " Asia/Novosibirsk Asia/Vladivostok America/Sao_Paulo America/Argentina/Buenos_Aires America/Bogota America/Lima"
    " America/Mexico_City America/Toronto America/Vancouver America/Phoenix America/Anchorage America/Halifax"
    " America/Caracas America/St_Johns America/Noronha Africa/Cairo Africa/Lagos Africa/Johannesburg Africa/Nairobi"
    " Africa/Abidjan Australia/Brisbane Australia/Perth Australia/Adelaide Australia/Darwin Australia/Eucla"
    " Australia/Lord_Howe Pacific/Auckland Pacific/Honolulu Pacific/Guam Pacific/Noumea Pacific/Fiji"
    " Pacific/Tongatapu Pacific/Chatham Pacific/Apia Pacific/Kiritimati Pacific/Marquesas Pacific/Gambier"
    " Pacific/Pitcairn Pacific/Pago_Pago Atlantic/Azores Atlantic/Cape_Verde Atlantic/South_Georgia"
)
WELL_KNOWN: Final = tuple(_WELL_KNOWN.split())

# The zones by other words for them, in lower case and without blanks.
ALIASES: Final = {
    word: zone
    for zone, words in {
        "Asia/Shanghai": (
            "prc china chinese bjt beijing peking shenzhen guangzhou hangzhou nanjing wuhan chengdu tianjin "
            "xian xiamen qingdao suzhou 北京 上海 中国 深圳 广州 杭州 南京 武汉 成都 重庆 天津 西安"
        ),
        "Asia/Hong_Kong": "hongkong 香港",
        "Asia/Macau": "澳门",
        "Asia/Taipei": "roc 台北 台湾",
        "Asia/Tokyo": "osaka 东京 日本",
        "Asia/Seoul": "korea southkorea 首尔 韩国",
        "Asia/Singapore": "新加坡",
        "Asia/Bangkok": "thailand 曼谷",
        "Asia/Ho_Chi_Minh": "hanoi vietnam",
        "Asia/Kolkata": "india delhi newdelhi mumbai bombay bangalore bengaluru chennai",
        "Europe/London": "england uk 伦敦",
        "Europe/Berlin": "germany munich frankfurt hamburg 柏林",
        "Europe/Paris": "france 巴黎",
        "Europe/Moscow": "莫斯科",
        "America/New_York": "eastern boston washington washingtondc miami atlanta 纽约",
        "America/Chicago": "central houston dallas 芝加哥",
        "America/Denver": "mountain",
        "America/Los_Angeles": "pacific sanfrancisco seattle siliconvalley 洛杉矶",
        "Australia/Sydney": "canberra 悉尼",
        "UTC": "z coordinateduniversal coordinateduniversaltime 世界 协调世界",
    }.items()
    for word in words.split()
}

# The zones by their names in Windows, without "Standard Time": those of Unicode's CLDR that most machines use.
WINDOWS_NAMES: Final = {
    "china": "Asia/Shanghai",
    "taipei": "Asia/Taipei",
    "singapore": "Asia/Singapore",
    "tokyo": "Asia/Tokyo",
    "korea": "Asia/Seoul",
    "seasia": "Asia/Bangkok",
    "ulaanbaatar": "Asia/Ulaanbaatar",
    "myanmar": "Asia/Yangon",
    "bangladesh": "Asia/Dhaka",
    "nepal": "Asia/Kathmandu",
    "india": "Asia/Kolkata",
    "srilanka": "Asia/Colombo",
    "pakistan": "Asia/Karachi",
    "westasia": "Asia/Tashkent",
    "afghanistan": "Asia/Kabul",
    "arabian": "Asia/Dubai",
    "arab": "Asia/Riyadh",
    "arabic": "Asia/Baghdad",
    "iran": "Asia/Tehran",
    "israel": "Asia/Jerusalem",
    "turkey": "Europe/Istanbul",
    "russian": "Europe/Moscow",
    "gmt": "Europe/London",
    "greenwich": "Atlantic/Reykjavik",
    "weurope": "Europe/Berlin",
    "centraleurope": "Europe/Budapest",
    "centraleuropean": "Europe/Warsaw",
    "romance": "Europe/Paris",
    "gtb": "Europe/Bucharest",
    "fle": "Europe/Kyiv",
    "eeurope": "Europe/Chisinau",
    "egypt": "Africa/Cairo",
    "southafrica": "Africa/Johannesburg",
    "eafrica": "Africa/Nairobi",
    "wcentralafrica": "Africa/Lagos",
    "morocco": "Africa/Casablanca",
    "eastern": "America/New_York",
    "useastern": "America/Indiana/Indianapolis",
    "central": "America/Chicago",
    "centralamerica": "America/Guatemala",
    "canadacentral": "America/Regina",
    "mountain": "America/Denver",
    "usmountain": "America/Phoenix",
    "pacific": "America/Los_Angeles",
    "alaskan": "America/Anchorage",
    "hawaiian": "Pacific/Honolulu",
    "atlantic": "America/Halifax",
    "newfoundland": "America/St_Johns",
    "sapacific": "America/Bogota",
    "venezuela": "America/Caracas",
    "esouthamerica": "America/Sao_Paulo",
    "argentina": "America/Argentina/Buenos_Aires",
    "pacificsa": "America/Santiago",
    "auseastern": "Australia/Sydney",
    "eaustralia": "Australia/Brisbane",
    "waustralia": "Australia/Perth",
    "cenaustralia": "Australia/Adelaide",
    "auscentral": "Australia/Darwin",
    "tasmania": "Australia/Hobart",
    "newzealand": "Pacific/Auckland",
    "westpacific": "Pacific/Port_Moresby",
}
