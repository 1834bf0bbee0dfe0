"""One written form for names, document numbers, codes, dates and amounts, so that equal things compare equal.

Promises
- Every function has a twin in SQL (`ops.*`, migration 0002) that gives the same answer for every text; a property
  test proves it. So only fixed tables of characters are used here, never the Unicode database of one Python version.
- Nothing is guessed: what cannot be read is None, and the text that came in stays with the caller.
Sources: domain page 01 section 6 (R06, document numbers), page 02 section 7 (names).
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

BLANKS = "".join(map(chr, (*range(0x01, 0x21), *range(0x7F, 0xA1), 0xAD, 0x1680))) + "".join(
    map(chr, (*range(0x2000, 0x2010), *range(0x2028, 0x2030), *range(0x205F, 0x2065), 0x3000, 0xFEFF))
)
"""White space, control characters, and the invisible ones: zero width, joiners, direction marks, byte order mark."""

HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"

_FULL_WIDTH = {chr(full): chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F)}
_UPPER = {chr(low): chr(low - 0x20) for low in range(ord("a"), ord("z") + 1)}
_FULL_UPPER = {full: _UPPER.get(half, half) for full, half in _FULL_WIDTH.items()}

_TRADITIONAL_PAIRS = (
    "萬万與与業业東东絲丝兩两嚴严喪丧個个豐丰臨临為为爲为麗丽舉举義义烏乌樂乐喬乔習习鄉乡書书買买亂乱爭争於于虧亏雲云亞亚產产"
    "畝亩親亲億亿僅仅從从侖仑倉仓儀仪們们價价眾众衆众優优夥伙會会傘伞偉伟傳传傷伤倫伦偽伪體体餘余傭佣僑侨侶侣偵侦側侧儉俭債债傾倾"
    "儲储兒儿黨党蘭兰關关興兴養养獸兽內内岡冈冊册寫写軍军農农馮冯沖冲決决況况凍冻淨净準准涼凉減减湊凑凜凛幾几鳳凤憑凭凱凯擊击鑿凿"
    "劃划劉刘則则剛刚創创刪删別别劑剂劍剑劇剧勸劝辦办務务動动勵励勁劲勞劳勢势勛勋勝胜匯汇匱匮區区醫医華华協协單单賣卖盧卢衛卫衞卫"
    "卻却廠厂廳厅歷历曆历厲厉壓压廁厕廂厢廈厦廚厨縣县參参雙双發发髮发變变疊叠葉叶號号嘆叹後后嚇吓呂吕嗎吗聽听啟启啓启吳吴員员響响"
    "啞哑嘩哗嘯啸噴喷囑嘱團团園园圍围國国圖图圓圆聖圣場场壞坏塊块堅坚壇坛壩坝塢坞墳坟墜坠壟垄墾垦墊垫塵尘牆墙壯壮聲声殼壳壺壶處处"
    "備备複复復复夠够頭头誇夸夾夹奪夺奮奋獎奖奧奥妝妆婦妇媽妈嬌娇孫孙學学寧宁寶宝實实寵宠審审憲宪宮宫寬宽賓宾對对尋寻導导壽寿將将"
    "爾尔堯尧嘗尝層层屬属屆届歲岁豈岂嶼屿嶺岭島岛峽峡嶄崭嶽岳巖岩峯峰鞏巩幣币帥帅師师帳帐帶带幫帮幹干並并廣广莊庄慶庆庫库應应廟庙"
    "龐庞廢废開开異异棄弃張张彌弥彎弯彈弹強强歸归當当錄录徹彻徑径徵征憶忆懷怀態态憐怜總总戀恋懇恳惡恶惱恼悅悦懸悬驚惊懼惧慘惨慣惯"
    "憤愤願愿懶懒戲戏戰战戶户撲扑執执擴扩掃扫揚扬擾扰撫抚拋抛搶抢護护報报擔担擬拟攏拢揀拣擁拥攔拦撥拨擇择掛挂摯挚擠挤揮挥損损撿捡"
    "換换據据擲掷摻掺攬揽攙搀擱搁攝摄擺摆搖摇攤摊撐撑敵敌斂敛數数齋斋斬斩斷断無无舊旧時时曠旷曇昙晝昼顯显晉晋曬晒曉晓暈晕暉晖暫暂"
    "術术樸朴機机殺杀雜杂權权條条來来楊杨極极構构樞枢棗枣櫃柜檸柠標标棧栈棟栋欄栏樹树棲栖樣样橋桥樺桦檔档榮荣檢检樓楼橫横櫻樱楓枫"
    "槍枪檳槟欖榄樑梁歡欢歐欧殲歼殘残毀毁畢毕氈毡氣气氫氢漢汉湯汤溝沟沒没滬沪淚泪瀘泸潑泼澤泽潔洁灑洒淺浅漿浆澆浇濁浊測测濟济瀏浏"
    "渾浑濃浓濤涛漣涟潤润漲涨淵渊漸渐漁渔滲渗溫温灣湾濕湿潰溃滾滚滿满濾滤濫滥濱滨灘滩瀟潇瀾澜濰潍渦涡潯浔滅灭燈灯靈灵災灾燦灿爐炉"
    "點点煉炼爍烁爛烂煙烟煩烦燒烧燁烨燴烩燙烫熱热煥焕愛爱爺爷牽牵犧牺狀状猶犹獨独獅狮獄狱獵猎貓猫獻献瑪玛環环現现璽玺瓏珑瓊琼電电"
    "畫画暢畅療疗瘋疯癢痒皺皱盤盘鹽盐監监蓋盖盜盗盞盏矯矫礦矿碼码磚砖硯砚礪砺礎础碩硕確确禮礼禪禅禍祸離离種种積积稱称穩稳窮穷竊窃"
    "窩窝窯窑竄窜豎竖競竞筆笔筍笋築筑篩筛籌筹簽签簡简籃篮籬篱範范類类糧粮緊紧紅红約约級级紀纪紙纸紋纹紡纺純纯紗纱納纳綱纲縱纵紛纷"
    "線线綫线練练組组細细織织終终紹绍經经綁绑絨绒結结繞绕繪绘給给絡络絕绝統统絹绢繼继績绩緒绪續续綢绸維维綿绵綜综綠绿綴缀緬缅纜缆"
    "緞缎緣缘編编緯纬縫缝纏缠縮缩繡绣繩绳繫系係系罷罢羅罗罰罚羣群職职聯联聰聪肅肃腸肠膚肤腎肾腫肿脹胀脅胁膽胆膠胶脈脉臟脏髒脏腦脑"
    "膿脓腳脚臉脸臘腊騰腾艦舰艙舱艱艰藝艺節节蕪芜蘆芦葦苇蒼苍蘇苏蘋苹莖茎薦荐薈荟蕩荡藥药蓮莲獲获穫获瑩莹鶯莺蘿萝螢萤營营蕭萧薩萨"
    "蔥葱蔣蒋藍蓝薊蓟薔蔷薑姜虛虚慮虑蟲虫雖虽蝦虾蝕蚀蟻蚁螞蚂蠶蚕蠟蜡補补襯衬襪袜襲袭裝装製制褲裤裡里裏里見见觀观規规視视覽览覺觉觸触"
    "計计訂订認认譏讥討讨讓让訓训議议訊讯記记講讲許许論论設设訪访訴诉診诊詐诈評评識识詞词譯译試试詩诗誠诚話话誕诞該该詳详語语誤误說说"
    "請请諸诸諾诺讀读課课調调談谈誼谊謀谋諧谐謙谦謝谢謹谨譜谱託托豬猪貝贝貞贞負负貢贡財财責责賢贤敗败賬账貨货質质販贩貪贪貧贫購购貯贮"
    "貫贯貴贵貸贷貿贸費费賀贺賈贾資资賞赏賜赐賦赋賽赛贊赞贈赠贏赢贛赣趙赵趕赶躍跃踐践車车軌轨軒轩轉转輪轮軟软軸轴輕轻載载較较輔辅輛辆"
    "輝辉輸输轄辖轅辕轎轿遼辽達达遷迁過过邁迈運运還还這这進进遠远違违連连遲迟適适選选遜逊遞递邏逻遺遗鄧邓鄭郑鄰邻鬱郁鄒邹醬酱釀酿釋释"
    "鑒鉴鑑鉴針针釣钓釘钉鈣钙鈦钛鋼钢鈉钠鑰钥欽钦鈞钧鉤钩鈕钮錢钱鉗钳鑽钻鐵铁鈴铃鉛铅銅铜鋁铝銘铭銀银鑄铸鋪铺鏈链銷销鎖锁鋒锋鋅锌銳锐"
    "錯错錫锡鑼锣錘锤錦锦鍵键鋸锯鍛锻鍍镀鎮镇鎂镁鏡镜鉅钜鑾銮鐘钟鍾钟長长門门閃闪閉闭問问闖闯閑闲間间閔闵悶闷閘闸鬧闹聞闻閩闽閣阁閱阅"
    "闊阔闡阐隊队陽阳陰阴陣阵階阶際际陸陆陳陈陝陕險险隨随隱隐隸隶難难雞鸡鷄鸡霧雾靜静韋韦韓韩頁页頂顶項项順顺須须頌颂預预領领頸颈頻频"
    "題题顏颜額额風风颱台臺台檯台飛飞饑饥飯饭飲饮飾饰飽饱餅饼餃饺餓饿館馆饅馒馬马馳驰駁驳駐驻駝驼駕驾駿骏騎骑騙骗驗验驅驱驢驴驛驿"
    "鬥斗魚鱼魯鲁鮑鲍鮮鲜鯉鲤鯨鲸鰻鳗鱷鳄鳥鸟鳴鸣鴨鸭鴻鸿鴿鸽鵝鹅鵬鹏鶴鹤鷹鹰麥麦麵面麪面黃黄齊齐齒齿龍龙龔龚龜龟錶表穀谷傑杰衝冲"
    "佈布佔占週周闆板"
)
TRADITIONAL = dict(zip(_TRADITIONAL_PAIRS[::2], _TRADITIONAL_PAIRS[1::2], strict=True))
"""Traditional character -> simplified, where that is not a matter of meaning (乾, 昇 and their like stay as they are)."""

_OPENING, _CLOSING = "([{（［｛〔【〖", ")]}）］｝〕】〗"
_NAME_PUNCTUATION = "!\"#$%&'*+,./:;<=>?@\\^_`|~、。·・•‧∙…“”‘’「」『』《》〈〉￥" + HYPHENS

NAME_MAP: dict[str, str] = {
    **_FULL_UPPER,
    **_UPPER,
    **TRADITIONAL,
    **dict.fromkeys(_OPENING, "（"),
    **dict.fromkeys(_CLOSING, "）"),
    **dict.fromkeys(BLANKS, ""),
    **dict.fromkeys(_NAME_PUNCTUATION, ""),
}
for _full, _half in _FULL_WIDTH.items():
    if _half in _NAME_PUNCTUATION:
        NAME_MAP[_full] = ""
for _kept in "（）":
    del NAME_MAP[_kept]

DOCUMENT_MAP: dict[str, str] = {
    **_FULL_WIDTH,
    **dict.fromkeys(_OPENING, "〔"),
    **dict.fromkeys(_CLOSING, "〕"),
    **dict.fromkeys(BLANKS, ""),
}
for _kept in "〔〕":
    del DOCUMENT_MAP[_kept]

CODE_MAP: dict[str, str] = {**_FULL_UPPER, **_UPPER, **dict.fromkeys(BLANKS + HYPHENS, "")}

NUMBER_MAP: dict[str, str] = {full: half for full, half in _FULL_WIDTH.items() if half in "0123456789+-.,/:"}


def character_class(mapping: dict[str, str]) -> str:
    """A regular expression that finds any character of `mapping`; the same text works in Python and PostgreSQL."""
    points = sorted(map(ord, mapping))
    runs: list[tuple[int, int]] = []
    for point in points:
        if runs and point == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], point)
        else:
            runs.append((point, point))
    return "[" + "".join(f"\\u{a:04x}" if a == b else f"\\u{a:04x}-\\u{b:04x}" for a, b in runs) + "]"


_name_changes = re.compile(character_class(NAME_MAP))
_document_changes = re.compile(character_class(DOCUMENT_MAP))
_code_changes = re.compile(character_class(CODE_MAP))
_number_table = str.maketrans(NUMBER_MAP)


def normal_name(text: str) -> str:
    """A name for comparison: half width, upper case, brackets （）, simplified, without blanks and punctuation.

    分公司, 分店 and the like stay: a branch is a subject of its own.
    """
    return _name_changes.sub(lambda found: NAME_MAP[found[0]], text)


def normal_document_no(text: str) -> str:
    """A document number for comparison: half width, one kind of bracket 〔〕, without blanks; 号 stays."""
    return _document_changes.sub(lambda found: DOCUMENT_MAP[found[0]], text)


def normal_code(text: str) -> str:
    """An identifier code (USCC, organisation code, registration or tax number, resident ID) as it must be written.

    Half width, upper case, without blanks and hyphens. Nothing is repaired: a letter O stays a letter O.
    """
    if text.isascii() and text.isalnum() and text == text.upper():
        return text
    return _code_changes.sub(lambda found: CODE_MAP[found[0]], text)


_DATE = re.compile(
    r"(?:([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日)"
    r"(?:[ T]?((?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)(?:\+08:?00)?)?"
)
_COMPACT = re.compile(r"[0-9]{8}")
_SERIAL = re.compile(r"([0-9]{5})(?:\.[0-9]+)?")
_EXCEL_EPOCH = dt.date(1899, 12, 30)


def parse_date(text: str) -> dt.date | None:
    """The day a text names, or None if it is no day.

    Accepts YYYY/MM/DD, YYYY-MM-DD (one or two digits), YYYYMMDD, YYYY年M月D日, each of the separated forms with a time
    of day (which is ignored; no zone or +08:00), and five-digit Excel serials (1900 system).
    """
    text = text.strip(BLANKS).translate(_number_table)
    found = _DATE.fullmatch(text)
    if found is not None:
        year, month, day = (found[1], found[3], found[4]) if found[1] else (found[5], found[6], found[7])
    elif _COMPACT.fullmatch(text):
        year, month, day = text[:4], text[4:6], text[6:]
    else:
        serial = _SERIAL.fullmatch(text)
        if serial is None or int(serial[1]) < 10000:
            return None
        return _EXCEL_EPOCH + dt.timedelta(days=int(serial[1]))
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return None


_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|[+-]?\.[0-9]+")


def parse_decimal(text: str) -> Decimal | None:
    """The number a text writes, with or without thousands commas, at most 40 characters; None when it is none."""
    text = text.strip(BLANKS).translate(_number_table)
    if len(text) > 40 or not _DECIMAL.fullmatch(text):
        return None
    return Decimal(text.replace(",", ""))
