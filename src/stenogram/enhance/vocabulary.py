# ruff: noqa: RUF001, RUF002 - Cyrillic letters that look like Latin ones are meant
"""The small words of English and Russian that the guard must know: which deny, which weigh little, which are one word.

Russian is written with "е" for "ё" here, as ``reading`` writes it. Words of one group are forms of one word, or take
each other's place without a change of what was said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is known of a language; of most: nothing."""

    language: str
    """ISO 639-1 code."""
    fillers: re.Pattern[str] | None = None
    """Words that may go, and come, at will."""
    negations: frozenset[str] = frozenset()
    light: frozenset[str] = frozenset()
    """May be put in or left out, within the limit of changed words."""
    prepositions: frozenset[str] = frozenset()
    """Light, and in each other's place, only before a time: there they are grammar (on Monday), elsewhere they say
    where, or what of (on the table, shot at)."""
    times: frozenset[str] = frozenset()
    """Words of time."""
    opened: frozenset[str] = frozenset()
    """What stands behind an opener or a phrase without a meaning, where it is one (so he; but so many)."""
    bound: frozenset[str] = frozenset()
    """Before these, or at the end, such a phrase is a part of the sentence (you know the man)."""
    binding: frozenset[str] = frozenset()
    """Behind these too (do you know him)."""
    addable: frozenset[str] = frozenset()
    """May be put in, but not left out."""
    markers: frozenset[str] = frozenset()
    """Phrases that may be left out, within the same limit."""
    idle: frozenset[str] = frozenset()
    """Words that may be left out, but before a number (basically ten)."""
    openers: frozenset[str] = frozenset()
    """Words that may be left out where a line begins with them."""
    spoken: Mapping[str, str] | None = None
    """Spoken and contracted forms, and what they stand for."""
    groups: Mapping[str, frozenset[int]] | None = None
    """Word -> numbers of its groups."""
    units: Mapping[str, str] | None = None
    """Word -> symbol."""
    misspelt: Mapping[str, str] | None = None
    """Spellings that are no words -> what was meant."""
    accented: bool = False
    """The line has accents, so none are missing."""

    def grouped(self, one: str, other: str) -> bool:
        """Whether two words are in one group."""
        groups = self.groups or {}
        return not groups.get(one, frozenset()).isdisjoint(groups.get(other, frozenset()))


def vocabulary_of(language: str | None, script: str | None) -> Vocabulary:
    """What is known of the language; of a text in another script than its own, or where it is None, the script tells.

    ``language`` is a code with or without a region; ``script`` as ``reading.script_of`` names it.
    """
    code = re.split("[-_]", (language or "").lower())[0]
    if (script == "CYRILLIC" or (script is None and code in {"ru", "russian"})) and code in {
        "ru",
        "russian",
        "",
        "en",
        "english",
    }:
        return _russian()
    if script in {"LATIN", None} and code in {"en", "english", "", "ru", "russian"}:
        return _english()
    return Vocabulary(code)


def _grouped(rows: str) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for number, row in enumerate(rows.strip().splitlines()):
        for word in row.split():
            found[word] = found.get(word, frozenset()) | {number}
    return found


def _table(rows: str) -> dict[str, str]:
    pairs = (row.split(":") for row in rows.strip().split(";"))
    return {word: meaning.strip() for words, meaning in pairs for word in words.split()}


_ENGLISH_GROUPS = """
a an the
am is are s
was were
has have s ve
had d
would d
us s
do does
did done
this these
that those
that which who
who whom
then than
much many
less fewer
i me my mine
he him his
she her hers
we us our ours
they them their theirs
there their theyre
your youre you
its it
too to
whose whos
of have
good well
went gone
saw seen
came come
ran run
took taken
gave given
wrote written
knew known
ate eaten
began begun
spoke spoken
broke broken
drove driven
chose chosen
fell fallen
forgot forgotten
got gotten get
goes go
man men
woman women
child children childs childrens
foot feet
person people
here hear
right write
weather whether
peace piece
knew new
by buy bye
sea see
week weak
meet meat
brake break
plane plain
mail male
sale sail
wait weight
whole hole
our hour
would wood
past passed
lead led
loose lose
affect effect
desert dessert
principal principle
site sight cite
threw through
wear where ware
steel steal
stationary stationery
compliment complement
council counsel
"""

_RUSSIAN_GROUPS = """
в во
с со из
к ко
о об обо
этот эта это эти этого этой этому этим этом эту этих этими
тот та то те того той тому тем том ту тех теми
весь вся все всего всей всему всем всю всех всеми
мой моя мое мои моего моей моему моим моем мою моих моими
твой твоя твое твои твоего твоей твоему твоим твоем твою твоих твоими
свой своя свое свои своего своей своему своим своем свою своих своими
наш наша наше наши нашего нашей нашему нашим нашем нашу наших нашими
ваш ваша ваше ваши вашего вашей вашему вашим вашем вашу ваших вашими
я меня мне мной
ты тебя тебе тобой
он его него ему нему им ним нем
она ее нее ей ней
мы нас нам нами
вы вас вам вами
они их них им ним ими ними
кто кого кому кем ком
что чего чему чем
день дня дню днем дни дней дням днями днях
год года году годом годы годов лет
человек человека человеку люди людей людям людьми
ребенок ребенка дети детей детям детьми
брат брата братья братьев
друг друга друзья друзей друзьям
могу могут может можем можете можешь
хочу хочет хотят хочешь хотим хотите
иду идет идут идем идете идешь идти
еду едет едут едем едете едешь ехать
пошел пошла пошло пошли
пришел пришла пришло пришли
ушел ушла ушло ушли
нашел нашла нашло нашли
шел шла шло шли
мог могла могло могли
есть ест
время времени временем времена времен
имя имени именем имена имен
ее еще
"""

_LIGHT = "a an the to of that and s is are am be do does"
_PREPOSITIONS = "in on at for"
_TIMES = (
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december day night morning evening afternoon noon midnight weekend "
    "weekends week month year spring summer autumn winter fall christmas easter time moment yesterday today tomorrow"
)
_OPENED = (
    "i you he she it we they there this these the what how when where why let if my his her our their first now then "
    "basically okay yes no yeah am anyway"
)
_BOUND = (
    "the a an what who whom which how why where when that this these those it him her them me us my your his our their "
    "about and or but not # like everyone everything anything something business"
)
_BINDING = (
    "do does did what that who as if how not to let when because would could can i you we they he she look "
    "looks looked feel feels felt sound sounds seem seems taste smell d never always really just also be is are "
    "was were being been"
)
_MISSPELT = """
goverment: government; enviroment: environment; definately definatly: definitely; seperate: separate; seperately:
separately; recieve: receive; recieved: received; occured: occurred; ocurred: occurred; occuring: occurring; untill:
until; tommorow tommorrow tomorow: tomorrow; begining: beginning; beleive: believe; wich: which; becuase becouse:
because; freind: friend; wierd: weird; neccessary necesary: necessary; adress: address; accomodate: accommodate;
febuary: february; wensday wednsday: wednesday; libary: library; probaly probly: probably; suprise: surprise; suprised:
surprised; intresting: interesting; diffrent: different; grammer: grammar; calender: calendar; independant: independent;
existance: existence; experiance: experience; knowlege: knowledge; managment: management; arguement: argument; comming:
coming; writting: writing; stoped: stopped; posible: possible; dificult: difficult; sucess succes: success; embarass:
embarrass; publically: publicly; truely: truly; buisness bussiness: business; teh: the; restaraunt:
restaurant; maintainance: maintenance; priviledge: privilege; rythm: rhythm; twelth: twelfth; wether: whether; foward:
forward; familar: familiar; similiar: similar; usualy: usually; realy: really; finaly: finally
"""
_NEGATIONS = "not no never nobody none nothing nowhere neither nor without nope noone aint non"
_IDLE = "basically actually literally"
_DISCOURSE = "like;you know;i mean"
_SPOKEN = """
dont: do not; doesnt: does not; didnt: did not; isnt: is not; arent: are not; wasnt: was not; werent: were not;
havent: have not; hasnt: has not; hadnt: had not; cant cannot: can not; wont: will not; couldnt: could not;
wouldnt: would not; shouldnt: should not; mustnt: must not; neednt: need not; shant: shall not; aint: is not;
im: i am; ive: i have; youre: you are; youve: you have; theyre: they are; theyve: they have; weve: we have;
thats: that s; whats: what s; heres: here s; theres: there s; hes: he s; shes: she s; lets: let s; gonna: going to;
wanna: want to; gotta: got to; kinda: kind of; sorta: sort of; lemme: let me; gimme: give me;
cause cuz cos: because; ok: okay; til till: until; ya: you; em: them; yall: you all; mr: mister; dr: doctor;
mrs: missus; vs: versus; dunno: do not know; noone: nobody; couldve: could have; shouldve: should have;
wouldve: would have
"""
_UNITS = """
percent %: %; dollar dollars $: $; euro euros €: €; pound pounds £: £; cent cents ¢: ¢;
ruble rubles rouble roubles ₽: ₽;
degree degrees °: °; number #: #; plus +: +; minus −: −
"""


@cache
def _english() -> Vocabulary:
    return Vocabulary(
        "en",
        fillers=re.compile(r"u+[hm]+|e+r+m*|h+m+|m{3,}|[aeo]+h+"),
        negations=frozenset(_NEGATIONS.split()),
        light=frozenset(_LIGHT.split()),
        prepositions=frozenset(_PREPOSITIONS.split()),
        times=frozenset(_TIMES.split()),
        opened=frozenset(_OPENED.split()),
        bound=frozenset(_BOUND.split()),
        binding=frozenset(_BINDING.split()),
        misspelt=_table(_MISSPELT.replace("\n", " ")),
        addable=frozenset({"have", "has"}),
        idle=frozenset(_IDLE.split()),
        markers=frozenset(_DISCOURSE.split(";")),
        openers=frozenset({"so", "well", "okay", "and"}),
        spoken=_table(_SPOKEN.replace("\n", " ")),
        groups=_grouped(_ENGLISH_GROUPS),
        units=_table(_UNITS.replace("\n", " ")),
    )


_RUSSIAN_LIGHT = "и а что то же ведь вот"
_RUSSIAN_PREPOSITIONS = "в во на с со к ко"
_RUSSIAN_TIMES = (
    "понедельник вторник среду четверг пятницу субботу воскресенье среде пятнице понедельника вторника среды "
    "четверга пятницы субботы январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре году "
    "неделе неделю месяце месяц день час утра вечера утру вечеру выходных выходные время "
    "весне лету осени зиме"
)
_RUSSIAN_OPENED = (
    "я ты он она оно мы вы они это этот давай давайте ну значит а что где как когда почему кто если смотри смотрите "
    "слушай вот теперь потом сначала мне тебе нам вам у"
)
_RUSSIAN_BOUND = "# не ни и или я мне нам тебе вам ему ей им зачете деле"
_RUSSIAN_BINDING = "# не как чем еще намного гораздо дорога путь"
_RUSSIAN_MISSPELT = """
чуствую: чувствую; чуство: чувство; прийдет: придет; прийду: приду; прийти придти: прийти; здраствуйте здравствуте:
здравствуйте; здраствуй: здравствуй; пожалуста пожалуйсто пожалста: пожалуйста; извени: извини; извените: извините;
будующий: будущий; будующее: будущее; будующем: будущем; следущий: следующий; следущая: следующая; агенство: агентство;
зделать: сделать; зделал: сделал; зделали: сделали; здесть: здесь; сдесь: здесь; вобще: вообще; вообщем: вобщем;
учавствовать: участвовать; учавствует: участвует; лутше: лучше; скочать:
скачать; калличество: количество; обьект: объект; обьявление: объявление; сьезд: съезд; подьезд: подъезд; прийдем:
придем; серце: сердце; сонце: солнце;
празник: праздник; празника: праздника; поздно позно: поздно; чесно: честно; лесница: лестница; грусный: грустный;
класный: классный; рускый руский: русский; програма: программа; програмы: программы; искуство: искусство
"""
_RUSSIAN_NEGATIONS = (
    "не ни нет никогда никто никого никому никем ничто ничего ничему ничем никак нигде никуда ниоткуда нечего некого "
    "некому негде некуда некогда незачем нельзя без безо никакой никакая никакое никакие никакого никакой никакому "
    "никаким никаких нисколько вовсе отнюдь"
)
_RUSSIAN_SPOKEN = """
щас ща: сейчас; че чо шо: что; када: когда; ваще: вообще; тока: только; скока: сколько; чтоб: чтобы; тыща: тысяча;
тыщ: тысяч; тыщи: тысячи; пасиба: спасибо; нету: нет; хош: хочешь; седня: сегодня; ихний: их; грит: говорит; коль: если
"""
_RUSSIAN_UNITS = """
процент процента проценту процентом процентов процентам процентами проценты процентах %: %;
доллар доллара доллару долларом долларов долларам долларами доллары долларах $: $; евро €: €;
рубль рубля рублю рублем рублей рублям рублями рубли рублях руб ₽: ₽;
градус градуса градусов градусам градусами градусы градусах °: °;
копейка копейки копеек копейку копейками: ¢; номер #: #; плюс +: +; минус −: −; фунт фунта фунтов £: £
"""


@cache
def _russian() -> Vocabulary:
    return Vocabulary(
        "ru",
        fillers=re.compile(r"э+[мх]*|м{3,}|хм+|ну+|а{2,}"),
        negations=frozenset(_RUSSIAN_NEGATIONS.split()),
        light=frozenset(_RUSSIAN_LIGHT.split()),
        addable=frozenset(),
        prepositions=frozenset(_RUSSIAN_PREPOSITIONS.split()),
        times=frozenset(_RUSSIAN_TIMES.split()),
        opened=frozenset(_RUSSIAN_OPENED.split()),
        bound=frozenset(_RUSSIAN_BOUND.split()),
        binding=frozenset(_RUSSIAN_BINDING.split()),
        misspelt=_table(_RUSSIAN_MISSPELT.replace("\n", " ")),
        markers=frozenset({"как бы", "типа", "короче", "так сказать", "это самое", "в общем"}),
        openers=frozenset({"значит", "так", "вот", "короче"}),
        spoken=_table(_RUSSIAN_SPOKEN.replace("\n", " ")),
        groups=_grouped(_RUSSIAN_GROUPS),
        units=_table(_RUSSIAN_UNITS.replace("\n", " ")),
    )
