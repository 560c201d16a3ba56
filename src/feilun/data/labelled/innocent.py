"""Good pages that say what bad ones say: news of a raid, the mathematics of roulette, a war memoir, a lease; and what is
no prose and yet no list: a statute, verse without a stop.

Sentences stand in their order, some are left out, and slots are drawn anew, so that no two pages are the same.
"""

from __future__ import annotations

from random import Random

from feilun.data.labelled import banks_en, banks_zh
from feilun.data.labelled.articles import Article, Lang, cast, fill
from feilun.data.labelled.words import words

_ZH: dict[str, tuple[str, ...]] = {
    "{place}警方打掉一个网络赌博团伙": (
        "{day}，{place}公安局通报，民警在三个月的侦查之后打掉了一个网络赌博团伙，抓获犯罪嫌疑人{n}名。",
        "警方介绍，这个团伙租用境外的服务器，开设百家乐、老虎机、时时彩等项目，再到聊天群里拉人下注。",
        "所谓注册送彩金，送的只是屏幕上的数字，一分钱也提不出来。",
        "嫌疑人{person}供认，赔率可以在后台随意修改，庄家想让谁输，谁就输。",
        "一名参赌的货车司机说，他头两天赢了{n}元，后来把买车的钱全押了进去。",
        "办案的民警从缴获的账本里查到，去年{month}一个月的流水就超过了两千万元。",
        "检察机关已经批准逮捕其中的{n}人，其余的人取保候审。",
        "派出所在{place}的集市上摆出展板，告诉村民这类网站的备用网址为什么天天换。",
        "律师提醒，把银行卡借给别人收钱的，也可能构成犯罪。",
        "警方希望知情的群众打电话举报，并对举报人的姓名保密。",
        "记者在看守所见到{person}时，他说最对不起的是还在念书的女儿。",
    ),
    "艾滋病是怎样传播的：{person}答问": (
        "{place}疾控中心的{person}医生说，每年{month}都有学生来问同样的问题。",
        "艾滋病病毒经性接触、血液和母婴三条途径传播，握手、同桌吃饭、蚊子叮咬都不会。",
        "肛交时黏膜容易破损，感染的风险最高，口交的风险低一些，但不是没有。",
        "自慰不传播任何病毒，也不会使人变笨，这是青春期再平常不过的事情。",
        "做爱时正确使用安全套，能把风险降到很低，前提是每一次都用。",
        "检测是免费的，结果保密，去年有{n}人在这里做了检测。",
        "发生了危险的行为，应当在七十二小时之内到医院拿阻断药，越早越好。",
        "按时服药的患者，寿命和别人差不多，也可以生下健康的孩子。",
        "有的孩子从色情网站上学到一堆错误的东西，性教育就是要把这些错误改过来。",
        "门诊的墙上贴着一句话：我们只看病，不评判人。",
        "来咨询的人里，{pct}不到二十五岁，多数是自己一个人来的。",
    ),
    "{person}：那年冬天鬼子进了村": (
        "我叫{person}，生在{place}，鬼子进村的那年我十一岁。",
        "天还没有亮，放哨的人敲了三下锣，全村的人就往山洞里跑。",
        "鬼子在村里住了{n}天，杀了牲口，烧了祠堂，连磨盘都推到井里。",
        "带路的那个汉奸，乡亲们背地里都叫他畜生。",
        "{month}里八路军的一个排埋伏在山口，缴了一挺机枪，鬼子退回了县城。",
        "我娘把半袋玉米藏在灶膛里，一家人靠它过了冬。",
        "有个娃娃在洞里发烧，不敢哭出声，他娘捂着他的嘴，自己先哭了。",
        "解放以后，村口立了一块碑，上面刻着{n}个人的名字。",
        "我把这些事说给学校的孩子们听，他们问我恨不恨，我说恨打仗。",
        "如今那个山洞成了旅游的地方，门票两块钱，我进去不要钱。",
        "历史书上写这一仗的只有一行，我记得的比那一行长。",
    ),
    "{place}怎样处理危险废物": (
        "列入名录的固体废物叫危险废物，产生它的单位要如实登记数量和去向。",
        "{place}去年产生危险废物{n}吨，比前一年少了{pct}。",
        "贮存的地方要防雨、防渗、防扬散，性质不同的废物不能放在一起。",
        "运输废物的车辆装了定位，偏离路线，监管平台上就会报警。",
        "居民家里的废灯管、旧电池和过期的药也是危险废物，街道设了{n}个回收箱。",
        "{person}在处置中心干了十二年，他说最怕的是有人往桶里乱倒东西。",
        "焚烧以后的飞灰还要固化填埋，废物并没有消失，只是换了一个不害人的样子。",
        "环境保护部门每个季度抽查一次，去年有三家企业因为账目不清被处罚。",
        "学生们来参观，最常问的问题是废物能不能再用，答案是有的能，有的不能。",
        "一吨废机油可以炼出半吨多基础油，所以{place}的修车铺都愿意把它交出来。",
    ),
    "一个班{n}个孩子": (
        "{place}的这所特殊教育学校里，智障学生有{n}名，年龄从六岁到十六岁。",
        "老师{person}的第一课是系鞋带，有的孩子学了整整一个学期。",
        "智障不是傻，他们只是慢，她常对来访的人这样说。",
        "家长最怕的是别人在公共汽车上叫孩子白痴、弱智，孩子其实听得懂。",
        "学校每周安排三次户外活动，孩子们在操场上练习排队、传球、等红灯。",
        "康复教室里有{n}样教具，一半是老师自己用木头做的。",
        "今年有两个毕业生进了面包房，{month}拿到了第一份工资。",
        "医院的医生每月来一次，给孩子量身高、查牙齿，也教家长按摩。",
        "为了记下每个孩子的成长，老师收集他们的画，一个孩子一本，已经装了三柜子。",
        "{person}说，她在这里学会的事情，比教给孩子的多。",
    ),
    "{place}菜市场的一天": (
        "天不亮，{place}的菜市场就热闹起来，第一批开张的是卖豆腐的。",
        "西红柿原价四元一斤，下了两天雨，现价五元，附近饭馆的采购员还是一筐一筐地搬。",
        "{person}卖了二十年的菜，到了傍晚，剩下的特价处理，老主顾都掐着点来。",
        "收完玉米的那几天，她的摊子上堆的全是玉米棒子，孩子们坐在上面剥皮。",
        "超市里也卖菜，还常常搞限时优惠，可是老人们说，超市的菜不会问你孩子考得怎么样。",
        "有人扫码付钱，有人仍旧用零钱，{person}备了一个饼干盒放硬币。",
        "市场管理员每天抽检{n}样菜，结果写在门口的黑板上。",
        "对面开了一家网店的提货点，全场包邮，抢走了{pct}的生意。",
        "卖鱼的{person}不服气，他说网上的鱼不会跳。",
        "中午收摊，地上冲得干干净净，猫在案板下面等着。",
    ),
    "申请信用卡之前先问自己{n}个问题": (
        "信用卡的好处是先用后还，坏处也是先用后还，{place}一家银行的{person}这样说。",
        "先看年费，刷满六次免年费的卡，一年刷五次照样要交。",
        "逾期一天就会记在信用记录上，以后申请房贷，利率可能高出{pct}。",
        "不要点击链接输入密码，银行的客服不会在短信里问你密码。",
        "街上贴的当天下款、无抵押，多半收取高额的手续费，有的根本就是诈骗。",
        "卡丢了，先打银行的服务热线挂失，再去派出所报案。",
        "去年{month}，{place}有{n}人因为出借卡片被冻结了账户。",
        "如果还不上，主动和银行谈分期，比躲着电话强。",
        "最低还款额只够付利息，{person}算过，一台电视机这样要还七年。",
        "一个人有两张卡就够了，多了自己也记不住还款日。",
    ),
    "轮盘为什么总是庄家赢": (
        "轮盘上有三十七个格子，小球落在红格里的概率是十八比三十七，不到一半。",
        "每次下注一元押红，赢了得两元，长远看来平均每次输掉两分七厘。",
        "输了就加倍的办法听起来很妙，数学家{person}在黑板上只用三行就说明了它的毛病。",
        "赌桌有上限，人的钱也有限，连输{n}次之后，加倍就加不下去了。",
        "前面出了五次黑，第六次出红的概率并没有变，小球没有记性。",
        "百家乐、老虎机的算法不同，道理是一样的，赔率总比机会少那么一点。",
        "这一点点就是数学期望，它乘上一年里的{n}万次，就是一座娱乐城的收入。",
        "课后有学生问，那么有没有稳赚不赔的，老师说有，开赌场的那一方。",
        "{year}年的一项统计发现，玩得越久的人，输的比例越接近这个期望值。",
        "概率论就是从这些游戏里长出来的，几百年前的信里写得清清楚楚。",
    ),
    "{place}的棋牌室和斗牛节": (
        "{place}的老人下午爱去棋牌室，打的是一毛钱一把的牌，输赢不过一碗面。",
        "棋牌室{year}年由一间旧仓库改成，墙上还留着收粮食的刻度。",
        "象棋桌在里间，{person}守着它，谁悔棋他就咳嗽一声。",
        "每年{month}的斗牛节才是大事，各寨把最壮的牛牵到河滩上。",
        "斗牛不分胜负也没有关系，牛不愿意了，主人就把它拉开。",
        "有外地人想在斗牛场边开赌局，被寨老赶了出去，民警后来也在那里立了牌子。",
        "博物馆收了一只牛角号，是{person}的祖父在斗牛节上吹过的。",
        "节后要喝一天的酒，唱的歌从开天辟地唱起，唱不完明年接着唱。",
        "民俗学者来住过{n}天，录下了四十首，说再过几年就没有人会了。",
        "年轻人回来得越来越多，因为只有这几天，全村的人才在一起。",
    ),
    "{place}幼儿园的活动记录": (
        "孩子的成长离不开游戏，{place}幼儿园每天上午有一个小时的户外活动。",
        "今天的活动是收集落叶，小班收集黄的，中班收集红的，大班按大小排队。",
        "收集回来的叶子有{n}片，孩子们自己数，数乱了就重新数。",
        "{person}老师说，书写练习不必着急，手上的小肌肉要先练有力气。",
        "练习用剪刀的时候，一个老师只带六个孩子。",
        "午睡之前是讲故事的时间，{month}讲的是一只找不到家的{bird}。",
        "家长开放日那天，{pct}的爸爸妈妈请了假来看孩子做操。",
        "成长档案里放的是照片和画，没有分数，也没有名次。",
        "如果孩子不愿意参加活动，老师就让他坐在旁边看，看着看着就站起来了。",
        "放学的时候，每个孩子都要和老师说一句今天最高兴的事。",
    ),
    "骂人话里的社会": (
        "语言学者{person}收集骂人的话，收集了三十年，卡片装满了{n}个抽屉。",
        "她的小说家朋友说，人物一开口骂人，读者就知道他是哪里人。",
        "王八蛋、畜生一类的话拿动物和血缘说事，可见从前的人最看重的是什么。",
        "白痴、弱智这些词原来写在医院的病历上，传到街上就变了味道。",
        "废物骂的是人没有用，这个词在工业化之后才流行起来。",
        "同一句话，熟人之间是玩笑，生人之间就要打架。",
        "{place}的方言里，滚蛋是可以对自己孩子说的，语气像是在说快去玩吧。",
        "历史上的檄文骂人不带脏字，杀伤力反而更大。",
        "研究这些话不是为了学着骂人，她说，而是为了知道人在什么时候会疼。",
        "论文发表在{year}年，编辑把其中几个词印成了空格。",
    ),
}
_EN: dict[str, tuple[str, ...]] = {
    "Police close an illegal casino in {place}": (
        "Police in {place} have closed a casino that was run without a licence above a furniture shop.",
        "Officers who went in on {day} found two roulette tables, {n} slot machines and a wheel that could be stopped by hand.",
        "A spokeswoman said that guests were lured with free spins and a welcome bonus that nobody was ever paid.",
        "The prosecutor has brought charges against {n} people, among them the owner of the building.",
        "{person}, who lives across the street, had complained to the court about the noise since {month}.",
        "Betting slips were found in the kitchen, sorted by month in shoe boxes.",
        "The regulator estimates that {pct} of all wagers in the region are placed where nobody checks the odds.",
        "A former player told the judge that he had sold his car, and then his father's.",
        "A helpline for people who are addicted is open at night and costs nothing.",
        "The furniture shop has said that it knew of nothing, although the lift has only one button.",
    ),
    "What {person} tells the pupils of {place}": (
        "Once a year {person}, who works as a nurse at the clinic in {place}, speaks with the pupils about sexual health.",
        "She answers every question, those about masturbation and anal sex as well, in the voice in which she gives the time.",
        "A condom protects against infection if it is used each time, and she shows how on a broom handle.",
        "HIV is not passed on by a handshake, by a cup or by a mosquito.",
        "Porn, she says, teaches sex as a car chase teaches driving.",
        "About {pct} of the questions in her box are about fear, and not about bodies at all.",
        "Parents may read the material beforehand, and in {year} a few of them asked for a lesson of their own.",
        "Whoever has taken a risk should see a doctor within three days, since there is treatment that prevents an infection.",
        "In {month} the hospital tested {n} young people, and all of them came back for their results.",
        "The box stands in the library, next to a {thing}, so that nobody can see who drops in what.",
    ),
    "A lease for the flat in {place}": (
        "This agreement is made between {person}, the landlord, and the tenant named below, with respect to the flat in {place}.",
        "The tenant shall pay the rent on the first day of each month for the duration of the tenancy.",
        "In the event that you fail to pay within thirty days, the landlord may end the agreement by written notice.",
        "A notice of thirty days is also required of the tenant, and begins on the first of a month.",
        "Nothing inside the flat, inside the cellar or inside the shed may be altered without consent.",
        "The landlord may enter inside the hours of daylight, after notice of {n} days.",
        "With respect to the deposit, it shall be returned within thirty days, less the cost of repairs.",
        "The tenant keeps the stairs clean in {month} and in every second month after it.",
        "Pets are allowed with the exception of any that can be heard on {day} morning from the street.",
        "If one part of this agreement is found to be void, the rest of it stays in force for the duration of the lease.",
        "The keys, {n} in number, were handed over together with a {thing} that belongs to the house.",
    ),
    "Sums about trains, wages and pies": (
        "A train leaves {place} at noon and travels for 60 minutes at 80 miles an hour, so it has gone 80 miles.",
        "{person} works for 60 minutes in the garden and for 45 minutes in the shed, which makes 105 minutes.",
        "At 12 dollars for each 60 minutes she earns 12 * 105 / 60 = 21 dollars.",
        "If a pie takes 60 minutes and the oven holds two, six pies take three times 60 minutes, that is 180 minutes.",
        "A month has thirty days here, so a rent of 900 dollars is 900 / 30 = 30 dollars a day.",
        "{person} reads 20 pages in half an hour, hence 40 pages in 60 minutes and 200 pages in five hours.",
        "There are {n} children and each gets half an apple; the number of apples is half the number of children.",
        "A pump fills 3 buckets a minute, and after 60 minutes there are 3 * 60 = 180 buckets.",
        "She walks to school in 15 minutes and back in 20, so in thirty days she walks for 30 * 35 = 1050 minutes.",
        "The answer to the last question is 1050 minutes, or 17 hours and a half.",
        "On {day} the shop takes 10 percent off a coat of 50 dollars, and the coat costs 50 - 5 = 45 dollars.",
    ),
    "Counting cards: {person} on blackjack and probability": (
        "Blackjack is one of the few games in which what a player does changes the probability of winning.",
        "{person} teaches statistics in {place} and begins each course with a deck of cards.",
        "Roulette offers no such chance: each spin is independent, and the house keeps what the red and the black leave over.",
        "A slot machine is a list of random numbers behind a picture of cherries.",
        "The jackpot is large because it is rare, and its expected value is still less than the wager.",
        "In {year} a group of students counted cards at several tables, until the casino learned their faces.",
        "Casinos answered with more decks, and the edge of the counter shrank to less than one percent.",
        "The theorem that no system of betting beats a fair game is older than most casinos.",
        "Her favourite exercise asks how long {n} gamblers with a hundred dollars each will last.",
        "Nobody in the class has ever guessed low enough.",
    ),
    "The hardcore years of {place}": (
        "Between {year} and the end of the decade {place} had more punk bands than bakeries.",
        "Hardcore was faster and louder than what had come before, and most songs were over in a minute.",
        "The bands played in the hall of a boat club, for which {person} paid with her own savings.",
        "Hardcore musicians copied their tapes by hand and sold them for the price of the tape.",
        "The lyrics call the mayor an idiot and a bastard, and he came to a concert to hear it.",
        "'They told us to shut up and go to hell, very politely,' he writes in his memoirs.",
        "A history of the scene, with {n} photographs, was printed by the museum in {month}.",
        "Many of the musicians became nurses, teachers or carpenters, and one keeps bees.",
        "The hall is a library now, in which a sign asks for silence.",
        "On {day} evenings {person} still plays there, sitting down, and not for long.",
    ),
    "How to tell a swindle: advice from {place}": (
        "The consumer protection office in {place} answers {n} letters a week, and most begin with the words I should have known.",
        "A seller who says act now does not want you to think until tomorrow.",
        "Money back guarantees are worth as much as the address under them.",
        "{person} ordered a tea for weight loss at the lowest price she could find, and got a box of hay.",
        "The reporter who had it tested found traces of chalk as well.",
        "If somebody writes that you can make money online with no experience needed, ask who pays, and for what.",
        "Do not click the link in a letter from a bank; banks know where you live.",
        "Fraud of this kind rose by {pct} in {year}, and the police solve one case in twenty.",
        "The court can order a refund, but it cannot find a company that never existed.",
        "Older people are not more foolish than others, {person} says, they are only at home when the telephone rings.",
    ),
    "Inside the lighthouse of {place}": (
        "Visitors enter the lighthouse of {place} by an iron door, and inside the door it is ten degrees colder.",
        "Inside the tower {n} steps lead to the lamp room, and a rope serves for a rail.",
        "The keeper lived inside the base, where the walls are two metres thick.",
        "A tour takes 60 minutes, or 90 with {person}, who was born there.",
        "Her grandfather kept the log of all voyages that ended on the reef, {n} of them since {year}.",
        "In {month} ice forms inside the lamp room, and the glass must be wiped every hour.",
        "A {thing} from one of the wrecks stands inside the porch and has never been claimed.",
        "The light is electric now and looks after itself for the duration of the night.",
        "Tickets are sold inside the shed by the gate, at half price for children.",
        "From the gallery one sees the whole coast, and on {day} mornings the ferry.",
    ),
}
_VERSE = words(
    "我在黄昏走过{place}的桥 桥下的水还是那么慢 没有人记得去年的风 你把一封信折成了小船 让它顺着水流到远方 "
    "岸边的{plant}换了新的枝条 一只{bird}停在别人的船上 也许会有一个孩子把它捡起 打开来看见里面没有字 只有一片干枯的叶子 "
    "和我没有说出口的话 天慢慢地黑了下来 灯一盏一盏地亮了 像是谁在替我回答 母亲说过那条路不好走 可是她自己走了一辈子 "
    "{month}的雨落在旧的屋顶上 屋里的人都已经睡了 只有{thing}还醒着 它记得我们说过的每一句话 后来的人不会知道这些 "
    "他们会在这里种上别的树 也会有人站在这桥上 把我的黄昏当成他的 我想起你站在门口的样子 手里拿着还没有织完的衣服 "
    "火车从很远的地方来 又到更远的地方去了"
)
_STATUTE = (
    "第{at}条 {org}应当自收到{paper}申请之日起{days}个工作日内进行审查；符合本办法规定的，颁发{paper}登记证书；"
    "不符合本办法规定的，书面通知{paper}申请人并说明理由。",
    "第{at}条 {paper}申请人对{org}的决定不服的，可以自收到书面通知之日起{days}日内依法申请行政复议或者提起行政诉讼。",
    "第{at}条 违反本办法规定，未取得{paper}登记证书从事经营活动的，由{org}责令限期改正，处{days}万元以上二十万元以下的罚款。",
    "第{at}条 {paper}登记证书遗失或者损毁的，{paper}持有人应当自发现之日起{days}日内向{org}申请补发。",
    "第{at}条 {org}的工作人员玩忽职守、滥用职权的，依法给予处分；构成犯罪的，依法追究刑事责任。",
    "第{at}条 {org}负责本行政区域内的{paper}登记工作，其他有关部门在各自职责范围内予以配合。",
    "第{at}条 {paper}的登记应当遵循公开、公平、便民的原则，不得收取任何费用。",
    "第{at}条 申请人应当对所提交材料的真实性负责；隐瞒有关情况或者提供虚假材料的，三年之内不得再次申请。",
    "第{at}条 {org}应当建立登记簿，供社会公众查阅，但涉及国家秘密、商业秘密和个人隐私的除外。",
    "第{at}条 本办法所称{paper}，是指依法在本行政区域内进行、应当登记的{paper}活动。",
    "第{at}条 有下列情形之一的，由{org}注销登记：有效期届满未延续的；持有人死亡或者终止的；登记被依法撤销的。",
    "第{at}条 {org}应当自年度终了之日起{days}日内，将登记情况报上一级人民政府备案。",
    "第{at}条 变更{paper}登记事项的，应当自变更之日起{days}个工作日内向{org}提出申请，并提交{paper}登记证书原件。",
)
_PAPERS = words("渔船所有权 古树名木 温泉开采 校车使用 民宿经营 水利设施 航标设置 种畜引进")
_BODIES = words(
    "县级以上人民政府渔业主管部门 市人民政府林业主管部门 省人民政府水行政主管部门 县级人民政府农业主管部门"
)
_DAYS = words("三 五 七 十 十五 二十 三十 六十")


def innocent(draw: Random, lang: Lang, number: int) -> Article:
    """The page of this number; each subject is met."""
    bank = banks_zh if lang == "zh" else banks_en
    subjects = _ZH if lang == "zh" else _EN
    at = number % (len(subjects) + 2 * (lang == "zh"))
    if at == len(subjects):
        return _verse(draw)
    if at > len(subjects):
        return _statute(draw)
    slots = cast(bank.SLOTS, draw)
    heading = list(subjects)[at]
    sentences = subjects[heading]
    chosen = sorted(draw.sample(range(len(sentences)), draw.randint(6, len(sentences) - 1)))
    lines = [fill(sentences[one], slots, draw) for one in chosen]
    paragraphs: list[str] = []
    while lines:
        take = draw.randint(2, 4)
        paragraphs.append(("" if lang == "zh" else " ").join(lines[:take]))
        del lines[:take]
    return Article(fill(heading, slots, draw), paragraphs)


def _verse(draw: Random) -> Article:
    slots = cast(banks_zh.SLOTS, draw)
    chosen = sorted(draw.sample(range(len(_VERSE)), draw.randint(14, 20)))
    return Article(fill("{place}的桥", slots, draw), [fill(_VERSE[one], slots, draw) for one in chosen])


def _statute(draw: Random) -> Article:
    paper, org = draw.choice(_PAPERS), draw.choice(_BODIES)
    lines = [f"第一条 为了规范{paper}的登记，保护{paper}持有人的合法权益，制定本办法。"]
    for at, one in enumerate(draw.sample(_STATUTE, draw.randint(9, len(_STATUTE))), start=2):
        lines.append(fill(one, {"at": (_count(at),), "paper": (paper,), "org": (org,), "days": _DAYS}, draw))
    return Article(f"{paper}登记办法", lines)


def _count(number: int) -> str:
    digits = "零一二三四五六七八九十"
    return digits[number] if number <= 10 else f"十{digits[number - 10]}"
