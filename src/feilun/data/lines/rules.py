"""What a boilerplate line looks like. Chinese rules are written in Simplified and match the line's shadow.

A rule is a gate (words of which one has to be in the line) and a pattern for the whole line. The patterns ask
for the form of a frame, not for the word: it begins with a label, or it is nothing but labels. A sentence that
merely mentions such a word has neither.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from feilun.data.possessive import repeated

Reason = Literal[
    "navigation",
    "breadcrumb",
    "advert",
    "repost",
    "share",
    "copyright",
    "soft404",
    "related",
    "cookie",
    "comments",
    "frequent",
]


class Rule(NamedTuple):
    """A line of at most ``longest`` characters is dropped for ``reason`` if the pattern matches all of it."""

    reason: Reason
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    longest: int


def _rule(reason: Reason, longest: int, words: str, *patterns: str) -> Rule:
    whole = re.compile(rf"\s*(?:{'|'.join(patterns)})\s*", re.IGNORECASE)
    return Rule(reason, tuple(words.split("|")), whole, longest)


_DASH = r"[\s|丨/\\·•>»›_,，、:：\-—–]"
_OPEN = r"[\[【「(（<《▶►●■★☆◆▼※*#>»\s-]{0,4}"
_NO_END = r"(?:[^。！？!?.…]|\.(?=\S)){0,70}"
_END = r"[。.!！~～]?"
CREDITS = "责任编辑|编辑|责编|小编|本文编辑|执行编辑|校对|审核|排版|初审|终审"
_NAME = r"(?:[一-鿿]{1,4}(?:·[一-鿿]{1,6})?|[一-鿿]{2,8}(?:网|报|社|部|台|室|组|中心|频道)|[a-z\d.@-]{1,20})"
"""Who made something. What somebody is to do, or says, is longer or goes on."""
_YEAR = r"(?:1[89]|20)\d\d(?![\d年])(?!\s+(?!by\b|all\b|the\b)(?-i:[a-z]+)[\s,]+(?-i:[a-z]))"
"""Of a notice: behind it stands a name, and not the rest of a sentence."""


_SCANNED = (
    r"(?:[^。，]{0,4}|[^。]{0,24}(?:关注|下载|添加|加[入群好我微]|进群|入群|领[取红]|咨询|了解|查看|阅读|分享|获取|报名|"
    r"订阅|收听|观看|转发)[^。]{0,20})"
)
"""What a code that nobody can scan here was for; how people pay with one is news."""
_GAP = repeated(rf"{_DASH}|[\[\]【】()（）]")


def _only(tokens: str, least: int = 1) -> str:
    """Nothing but these, with any of the usual separators between; atomic, so that no line takes exponential time."""
    return rf"{_OPEN}(?>{tokens})(?:{_GAP}(?>{tokens})){{{least - 1},40}}{_GAP}"


_TOP = (
    r"返回(?:首页|顶部|上一页|列表|主页|目录)|回到(?:顶部|首页)|回顶部|网站地图|设为首页|加入收藏|"
    r"收藏本站|跳(?:到|转至)(?:主要)?内容|手机版|"
    r"back to (?:the )?top|skip to (?:the )?(?:main )?(?:content|navigation)|toggle navigation|site ?map"
)
_MENU = (
    r"首页|主页|登录|登陆|注册|退出|搜索|关于我们|联系我们|加入我们|网站首页|网站导航|用户中心|"
    r"会员中心|帮助中心|意见反馈|新闻中心|产品中心|"
    r"友情链接|诚聘英才|招贤纳士|广告服务|法律声明|隐私政策|用户协议|"
    r"home|about(?: us)?|contact(?: us)?|log ?in|sign ?in|sign ?up|log ?out|register|search|menu|"
    r"close|faqs?|help|blog|newsletter|news|"
    r"careers?|terms(?: of (?:use|service))?|privacy(?: policy)?|advertise(?: with us)?|subscribe|"
    r"my account"
)
_SHARE = (
    r"分享(?:到|至|给好友|此文|本文|按钮)?|转发(?:到|至)?|微信(?:好友|朋友圈|扫一扫)?|朋友圈|"
    r"新浪微博|腾讯微博|微博|qq(?:空间|好友)?|人人网|豆瓣|"
    r"复制(?:链接|网址)|(?:点赞|收藏|转发|评论|阅读量?|浏览|推荐|喜欢|在看)(?:数|"
    r"次)?[:：\s]*[\d.]*[万kw+]*|"
    r"share(?: (?:this|it|on|via|to)(?: (?:article|post|story|page))?)?|tweet|pin(?: it)?|"
    r"email(?: this)?|print(?: this)?|"
    r"facebook|twitter|linkedin|pinterest|reddit|whatsapp|telegram|tumblr|copy link|(?:on|via|to)|x"
)
_CALL = (
    r"分享(?:到|至|给好友|此文|本文|按钮)|复制链接|"
    r"share(?: this)?(?: (?:article|post|story|page))?(?: (?:on|via|to))?|tweet this|pin it|copy link"
)
_LIST = (
    r"相关(?:阅读|文章|新闻|推荐|链接|报道|内容|资讯|帖子|专题|搜索)|(?:推荐|延伸|扩展|"
    r"更多)(?:阅读|文章)|猜你喜欢|大家都在[看搜]|"
    r"(?:热门|最新|精彩|本站|今日|编辑)(?:推荐|文章|新闻|资讯|排行|专题)|(?:点击|阅读|新闻|热点)排行榜?|"
    r"(?:你|您)(?:可能|也许)(?:还|也)?(?:会)?(?:喜欢|感兴趣)(?:的)?(?:文章|内容)?|"
    r"related (?:articles?|posts?|stories|links|content|topics|reading)|you (?:may|"
    r"might) also (?:like|enjoy|be interested in)|"
    r"recommended (?:for you|reading|articles|stories)|more from this (?:author|category|section)|"
    r"more stories|"
    r"(?:most|latest) (?:read|popular|viewed|commented)(?: (?:articles|posts|stories))?|"
    r"popular posts|recent posts|trending(?: now)?|see also"
)

RULES: tuple[Rule, ...] = (
    _rule(
        "navigation",
        200,
        "首页|顶部|上一页|返回|地图|收藏|跳到|跳转|手机版|top|skip to|navigation|sitemap|site map|"
        "登录|登陆|注册|我们|中心|home|log in|login|sign in|about|contact|privacy|menu",
        _only(_TOP),
        _only(f"{_TOP}|{_MENU}", least=2),
        rf"(?:网站|本站)?首页(?:{_DASH}+[^\s|/·>»，。,]{{1,8}}){{3,40}}{_DASH}*",
    ),
    _rule(
        "breadcrumb",
        160,
        "位置|首页|主页|you are here|home",
        r"(?:您|你)?(?:现在|目前)?的?(?:当前|所在)?的?位置(?:是|"
        r"为)?[:：]?\s*[^。！？，]{1,30}[>»›＞→/\-](?!.*[。！？]$).{0,100}",
        r"(?:您|你)(?:现在|目前|当前)?(?:的|所在的)?位置(?:是)?[:：].{0,100}",
        r"(?:网站)?(?:首页|主页)\s*(?:[>»›＞→]+\s*[^>»›＞→。！？]{1,40}){1,8}[>»›＞→]*",
        r"you are here:?\s.{0,120}",
        r"home\s*(?:[>»›→/]+\s*[^>»›→/.!?]{1,60}){1,8}",
    ),
    _rule(
        "advert",
        90,
        "公众号|公号|订阅号|二维码|扫码|扫一扫|红包|微信|热线|咨询|客服|招商|加盟|优惠|代办|下载|"
        "广告|advert|sponsored|click here|call now|call us|buy now|order now|limited time|"
        "subscribe|sign up",
        r"(?:欢迎|敬请|请|快来|赶紧|记得|立即|马上|长按|扫描?|扫一扫|扫码|识别|点击|打开|搜索|"
        r"微信[搜扫])[^。]{0,24}关注[^。]{0,24}(?:公众号|公号|订阅号|微信号?)[^。]{0,24}" + _END,
        r"(?:(?:更多|想看|想了解|获取)[^。]{0,30}(?:请|欢迎|可|尽在|[，,：:！!\s])|(?:更多|获取)[^。]{0,8}(?:内容|资讯|信息|新闻|文章|详情|资料|"
        r"报道))(?:关注|搜索|扫码|下载)[^。]{0,20}(?:公众号|公号|"
        r"订阅号|微信|客户端|app)[^。]{0,20}" + _END,
        r"关注(?:我们|本站|官方|我)?(?:的)?(?:官方)?(?:微信)?(?:公众号|公号|"
        r"订阅号)(?:[:：「“【\s,，]+[^。，]{0,20}|(?:获取|领取|回复|查看|阅读|了解|即可)[^。，]{0,20})?",
        r"(?:官方)?(?:微信)?(?:公众号|订阅号)[:：]\s*\S{1,24}(?:\s.{0,20})?",
        r"(?:长按|扫描?|扫一扫|扫码|识别|微信扫|请扫|请用微信|打开微信|用微信|"
        rf"点击)[^。]{{0,14}}二维码{_SCANNED}" + _END,
        rf"微信扫(?:一扫|码){_SCANNED}" + _END,
        r"[^。]{0,16}(?:打开支付宝|支付宝首页|支付宝搜索?|复制(?:此|这条)?(?:消息|口令|红包码)|"
        r"红包码|红包口令|搜索红包)[^。]{0,40}(?:\d{5,}|红包)[^。]{0,30}" + _END,
        r"(?:全国|免费|24小时|服务|咨询|订购|报名|招商|加盟|客服|售后|投诉|订票|团购|预订|"
        r"官方)*(?:热线|咨询电话|客服(?:电话|微信|qq)|订购电话|招商电话|加盟电话|预订电话|"
        r"加(?:我)?微信)(?:号)?[:：\s]*[\d\-+()（）*\s转/a-z_]{6,40}(?:[,，（(].{0,24})?",
        r"(?:点击|立即|免费|马上)(?:下载|安装)[^。，]{0,20}(?:app|客户端)[^。，]{0,10}[>»]*" + _END,
        r"[-—=\s]*(?:广告|赞助商?(?:内容|链接)?|advertisements?|sponsored(?: content| links?|"
        r" by .{1,40})?|continue reading below|story continues below(?: advertisement)?)[-—=:：\s]*",
        r"click here to (?:order|buy|subscribe|sign up|download|register)\b.{0,60}",
        r"(?:call (?:now|us(?: today| now)?)|(?:order|buy) now|limited time offer)(?:\W*|\s*[:!»>–—].{1,60}|"
        r"\b\D{0,20}\d{3}.{0,40}|\s(?:and (?:get|save|receive)|for (?:a |an |your |more |free )|to (?:get|save|book|order|learn|"
        r"schedule|arrange)|while|before|online|toll)\b.{0,50})",
        r"(?:subscribe|sign up)(?: now| today)? (?:to|for) (?:our|the|my) (?:free |daily |weekly |"
        r"email )*(?:newsletters?|mailing list|updates)\b.{0,50}",
    ),
    _rule(
        "repost",
        400,
        "来源|出处|编辑|责编|小编|校对|审核|免责|声明|转载|转自|摘自|原标题|注明|侵权|不代表|"
        "originally|first published|first appeared|source:|read more|continue reading|reprinted|"
        "republished|disclaimer",
        r"[（(【\[]?(?:文章|本文|稿件|新闻|信息|图片|资料|内容|图文)?(?:来源|出处|来自)[:：]\s*(?!《(?![^》]{0,20}(?:[报刊网社台志周]》|》\s?(?:杂志|周刊|报))))[^。！？，的]{1,40}[）)】\]]?",
        r"[（(【\[]?原标题[:：]\s*[^。，]{1,60}[）)】\]]?",
        rf"[（(【\[]?(?:{CREDITS})[:：/]\s*{_NAME}(?:[\s、/|｜·:：_&和]+{_NAME}){{0,8}}\s*[）)】\]]?",
        r"(?:[【\[（(](?:免责|版权|特别|郑重|转载|本站|本网)?声明[】\]）)][:：]?|(?:免责|版权|特别|郑重|转载|本站|本网)?声明[:：])\s*(?=.*(?:转载|"
        r"版权|本站|本网|本文|侵权|[不仅]代表|仅供参考|平台仅|信息(?:发布|存储))).{4,380}",
        r"[【\[]?(?:免责|版权|转载)说明[】\]]?[:：]\s*(?=.*(?:转载|版权|本站|本网|侵权|不代表|仅供参考)).{4,380}",
        r"[【\[]?免责声明[】\]]?[:：]?",
        r"[^。未不]{0,14}转载时?(?:敬?请|须|需|务必)[^。未不]{0,6}(?:注明|标明|保留|联系|告知|获得|取得|授权)[^。]{0,60}[。.!！]?.{0,40}",
        r"(?:欢迎|如需|如若)?转载(?:[，,\s]|自)*(?:注明|标明|保留)(?:出处|来源|作者|原文)[^。]{0,40}",
        r"(?:版权所有[，,\s]*)?未经(?=[^。]{0,14}(?:本网|本站|本报|本刊|书面|授权))[^。]{2,30}"
        r"(?:不得|禁止|请勿|谢绝|严禁)[^。]{0,20}转载[^。]{0,20}" + _END,
        r"(?:谢绝|禁止|严禁|请勿)(?:任何|一切)?(?:形式的?|商业)?转载[^。]{0,10}" + _END,
        r"凡是?(?:本网|本站|本报|本刊|注明|标注)[^。]{0,60}(?:来源|转载|版权|作品).{0,300}",
        r"(?:本文|本站|本网|以上|文章|文中|该文|图片|部分)[^。]{0,50}(?:不代表(?:本站|本网|平台|"
        r"我们)[^。]{0,20}|(?:如有|若有|如涉及?)侵权[^。]{0,40}|(?:转自|转载自|摘自|"
        r"整理自)[^。，]{1,40})(?:[。.!！].{0,80})?",
        r"(?:如有|若有|如果|如涉及?)(?=.*(?:请|[即立必速]删|我们|本站|本网|作者|小编))[^。]{0,10}(?:侵权|侵犯)[^。]{0,24}(?:联系|告知|通知|删除)[^。]{0,30}"
        + _END,
        r"this (?:article|post|story|essay|piece) (?:was |is )?(?:originally|"
        r"first) (?:published|appeared|posted) (?:on|at|in|by)\b.{1,120}",
        r"(?:originally|first) (?:published|appeared|posted) (?:on|at|in|by) (?:the )?(?-i:[A-Z])[^.,;]{1,60}(?:,?[\w ,]{0,20}\d{4})?\.?",
        r"this (?:article|post|story) (?:is|was|has been) (?:reprinted|republished) (?:from|"
        r"with (?:the )?permission|under)\b.{1,160}",
        r"(?:reprinted|republished) (?:from|with (?:the )?permission|under (?:a |the )?(?:creative|cc|licen[cs]e))\b.{1,160}",
        r"(?-i:Source|SOURCE):\s(?:(?-i:[A-Z\d“])|https?:|www\.)(?!.*(?:[.?!;]|['\"],?)$).{0,80}",
        r"(?:read more|continue reading)(?:\s*[:»>…→.]+.{0,90}|\s+(?:about|on|at|from|here)\b"
        + _NO_END
        + r")?",
        r"disclaimer:\s(?=.*\b(?:views|opinions?|advi[cs]e|sponsored|affiliat\w+|authors?|shares|liab\w+|responsib\w+|"
        r"trademarks?|information(?:al)?|accura\w+|endors\w+|permission|copyright)\b).{1,380}",
    ),
    _rule(
        "related",
        120,
        "上一|下一|相关|推荐|延伸|扩展|更多|猜你|热门|最新|精彩|排行|都在|可能|也许|related|"
        "also like|also enjoy|also be interested|recommended|more from|more stories|most |latest |"
        "popular|recent posts|trending|see also|previous|next ",
        rf"(?!.*\]\(){_OPEN}(?:{_LIST})\s*[\]】」)）]?\s*(?:[:：>»|](?!.*[^.]\.$|.*[。]$).{{0,90}})?\**",
        _OPEN + repeated(r"(?:上|下)一(?:篇|页|章|节|条|则)(?:文章|新闻)?\s*[|/]?\s*", least=1),
        rf"{_OPEN}(?:上|下)一(?:篇|页|章|节|条|则|主题)(?:文章|新闻)?\s*[\]】」)）:：>»<«|].{{0,110}}",
        rf"{_OPEN}(?:上|下)一篇(?:文章)?\s(?!.*[。！？，]$).{{0,110}}",
        r"(?:[«<←]+\s*)?(?:previous|next|older|newer) (?:post|article|story|page|entry|"
        r"chapter)s?\s*(?:[:»>→|].{0,90})?",
    ),
    _rule(
        "share",
        120,
        "分享|转发|朋友圈|微博|点赞|收藏|阅读|浏览|复制链接|share|tweet|facebook|pin it|copy link",
        rf"{_OPEN}(?>{_CALL})(?:{_GAP}(?>{_SHARE})){{0,40}}{_GAP}",
        _only(_SHARE, least=2),
    ),
    _rule(
        "copyright",
        220,
        "版权|著作权|ICP|icp|公网安备|许可证|copyright|©|(c)|（c）|all rights reserved|powered by",
        r".{0,140}[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]\s?icp\s?[备证]\s?\d{5,}.{0,80}",
        r".{0,120}公网安备\s?\d{6,}.{0,60}",
        rf"[^。，]{{0,30}}(?:©|\(c\)|（c）)\s*{_YEAR}.{{0,140}}",
        r"(?:[^。，]{0,30}(?:版权(?:所有)?|著作权|copyright)\W{0,3})(?:\(c\)|（c）).{0,140}",
        r"(?:\(c\)|（c）)\s*(?:版权所有|copyright\b).{0,140}",
        r"[^。，]{0,30}©\s*(?!(?:sign|symbol|mark|character|only|is|was|and|or|in|for|to|符号|标[志记]|的))"
        r"[a-z一-鿿](?:[^。！？.'\"]|\.(?=\S)){0,140}",
        _OPEN + r"©\s*[a-z一-鿿][^。'\"]{0,140}",
        r"版权所有(?![人者权的]).{0,80}(?:©|未经|转载|copyright|\d{4}|公司|网|社|"
        r"保留).{0,100}|版权所有[:：\s].{1,80}|版权所有",
        r"(?:本[文站网刊])?(?:版权|著作权)[均皆]?归(?!属)[^。，,]{1,24}(?:[。，,；;\s]+(?=.*(?:未经|转载|侵|copyright|©|注明|联系|保留)).{0,120})?",
        rf"copyright\s*(?:©|\(c\)|by\b|,)?\s*{_YEAR}.{{0,140}}",
        r"[^.]{0,90}[.,]?\s*all rights reserved(?!\s+(?-i:[a-z])).{0,60}",
        r"proudly powered by [\w .]{2,40}|powered by (?:the )?(?:(?-i:[A-Z])[\w .!-]{1,40}(?<!\.)|[\w-]+\.(?:com|net|org|cn|io)|"
        r"(?:wordpress|discuz|phpwind|phpbb|dedecms|blogger|shopify|drupal|joomla|ghost|hexo|hugo|jekyll|vbulletin)\b.{0,20})",
        r"(?:互联网新闻信息服务|增值电信业务|网络文化|出版物|广播电视节目制作|"
        r"信息网络传播视听节目)[^。，]{0,12}许可证(?:编?号)?(?:[:：(（\s\dA-Z京沪津渝].{0,60})?",
    ),
    _rule(
        "cookie",
        500,
        "cookie",
        r"(?!we\b(?!.*\b(?:experience|consent|privacy|personali[sz]\w*|polic(?:y|ies)|part(?:y|ies)|partners?|advert\w*|"
        r"analytics|traffic|(?:web)?site)\b))(?:we|this (?:web)?site|our (?:web)?site|by (?:using|continuing)[^.]{0,60}(?:you|"
        r"we))[^.]{0,60}\b(?:uses?|using|agree|accept|consent)\b[^.]{0,60}\bcookies?\b.{0,400}(?<=.{40})",
        r"(?:accept|reject|allow|manage|decline)(?: all)? cookies?|cookie (?:policy|settings|"
        r"preferences|notice|consent)",
        r"(?:本(?:网站|站)|我们(?=.*(?:您|体验|隐私|同意|政策|个性化))|继续(?:浏览|使用))[^。]{0,40}使用[^。]{0,10}cookies?.{0,200}",
    ),
    _rule(
        "comments",
        120,
        "评论|留言|昵称|验证码|comment|leave a reply|email address will not",
        r"(?:我要|发表|查看|最新|热门|全部|网友|暂无|更多|精彩|写|已有|"
        r"共)?\s*\d*\s*(?:全部)?(?:条|个|人)?\s*(?:评论|留言|网友评论|精彩评论)(?:\s*[(（\d)）]*|"
        r"列表|区|内容|[:：])?",
        r"(?:请|您?需要|您?还?没有|必须)?先?(?:登录|登陆)(?:或注册)?后?(?:才能|可以?|再|"
        r"即可)?(?:发表|进行|参与)?(?:评论|留言|回复)[^。，]{0,10}" + _END,
        r"(?:昵称|验证码|用户名|您的评论|评论内容)\s*[:：*]+\s*(?:[（(]?(?:必填|选填|看不清|换一张|点击刷新|匿名|游客|密码|登录|注册|昵称|验证码).{0,30})?",
        r"(?:网友|以上)?(?:评论|留言)(?:仅代表|只代表|仅供|不代表)[^。]{0,60}" + _END,
        r"(?:leave|post|add|write) a (?:comment|reply)(?: (?:cancel reply|below))?.?|(?:\d+|no|"
        r"view(?: all)?(?: \d+)?|show|load more) comments?(?: yet)?|comments? ?\(\d+\)|comments",
        r"(?:you must be |please )?log(?:ged)? ?in to (?:post a |leave a )?(?:comment|reply).{0,20}",
        r"your email address will not be published.{0,60}|(?:save my name, email).{0,100}|"
        r"comments are (?:closed|disabled)\.?",
    ),
)

SPEAKS = re.compile(rf"\s*({CREDITS})[:：]")
"""Before a name it is a credit; before what somebody says, a speaker."""

ITEM = re.compile(r"\s*[(（]([a-z])[)）]", re.IGNORECASE)
"""An item of a list: where others stand beside it, ``(c)`` is the third of them."""

GONE = re.compile(
    r"(?:您|你)?(?:要)?(?:访问|查看|浏览|请求|查找|打开)的?(?:页面|内容|文章|网页|帖子|信息|"
    r"链接)(?:[^。]{0,8})(?:不存在|已(?:被)?删除|已下线|找不到|无法访问|已失效)|"
    r"(?:页面|网页|文章|帖子|内容)(?:不存在|没有找到|未找到|已(?:被)?(?:作者)?删除|已下线|"
    r"找不到了?|走丢了|不见了)|(?:找不到|没有找到)(?:您|你)?(?:要|所)?(?:的|访问的)?(?:页面|网页)|"
    r"\b(?:404\s*(?:[-:]|error)?\s*(?:not found|page)|(?:page|file|article|"
    r"content) (?:you (?:requested|are looking for) )?(?:was |is |could |can)?\s?(?:not|n't|no longer)"
    r" (?:be )?(?:found|available|exists?)|error 404)\b",
    re.IGNORECASE,
)
"""What a page says that is not there. It counts on a short page only."""

GONE_WORDS = (
    "不存在",
    "删除",
    "下线",
    "找不到",
    "找到",
    "走丢",
    "不见了",
    "失效",
    "无法访问",
    "404",
    "not found",
    "no longer",
    "not available",
    "not be found",
    "n't be found",
)
