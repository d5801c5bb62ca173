"""English words for people: a list, which of them name a gender, and their neutral replacements."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

Gender = Literal["female", "male"]

# word:neutral word; an underscore is a space.
_MALE = """
    man:person men:people boy:child boys:children guy:person guys:people dude:person dudes:people
    gentleman:person gentlemen:people lad:child lads:children male:person males:people
    father:parent fathers:parents dad:parent dads:parents daddy:parent son:child sons:children
    brother:sibling brothers:siblings husband:spouse husbands:spouses boyfriend:partner boyfriends:partners
    grandfather:grandparent grandfathers:grandparents grandpa:grandparent grandson:grandchild
    uncle:relative nephew:relative groom:newlywed grooms:newlyweds groomsman:attendant groomsmen:attendants
    schoolboy:pupil schoolboys:pupils cowboy:cowhand cowboys:cowhands businessman:businessperson
    businessmen:businesspeople policeman:police_officer policemen:police_officers fireman:firefighter
    firemen:firefighters fisherman:angler fishermen:anglers cameraman:camera_operator
    cameramen:camera_operators batsman:player batsmen:players baseman:player basemen:players
    horseman:rider horsemen:riders salesman:salesperson salesmen:salespeople mailman:postal_worker
    mailmen:postal_workers workman:worker workmen:workers repairman:mechanic repairmen:mechanics
    serviceman:service_member servicemen:service_members stuntman:stunt_performer stuntmen:stunt_performers
    swordsman:fencer swordsmen:fencers crewman:crew_member crewmen:crew_members sportsman:athlete
    sportsmen:athletes
"""
_FEMALE = """
    woman:person women:people girl:child girls:children lady:person ladies:people gal:person gals:people
    lass:child female:person females:people mother:parent mothers:parents mom:parent moms:parents
    mommy:parent mum:parent daughter:child daughters:children sister:sibling sisters:siblings
    wife:spouse wives:spouses girlfriend:partner girlfriends:partners grandmother:grandparent
    grandmothers:grandparents grandma:grandparent granddaughter:grandchild aunt:relative niece:relative
    bride:newlywed brides:newlyweds bridesmaid:attendant bridesmaids:attendants schoolgirl:pupil
    schoolgirls:pupils cowgirl:cowhand cowgirls:cowhands showgirl:dancer showgirls:dancers
    businesswoman:businessperson businesswomen:businesspeople policewoman:police_officer
    policewomen:police_officers saleswoman:salesperson saleswomen:salespeople sportswoman:athlete
    sportswomen:athletes actress:actor actresses:actors waitress:waiter waitresses:waiters
    hostess:host hostesses:hosts stewardess:flight_attendant stewardesses:flight_attendants
    ballerina:ballet_dancer ballerinas:ballet_dancers
"""
# Ambiguous ones are left out: batter, boxer, coach, couple, family, pitcher, trainer.
_ANYBODY = """
    actor adult angler artist athlete attendant audience baby backpacker baker barber bartender bicyclist biker
    boarder bowler businessperson camper cashier catcher cheerleader chef child climber clown commuter competitor
    conductor contestant cowhand crowd customer cyclist dancer defender dentist diner diver doctor driver
    drummer farmer fencer firefighter fisher friend gardener goalie goalkeeper golfer grandchild grandparent
    guest guitarist gymnast hiker host human individual infant jockey jogger juggler kayaker kid lifeguard mechanic member
    monk motorcyclist mountaineer musician neighbor newborn newlywed nun nurse officer onlooker operator opponent
    owner paraglider parasailer parent participant partner passenger pedestrian performer person
    photographer pilot player police politician priest pupil racer referee relative rider rollerblader
    rower runner sailor salesperson shopper sibling singer skateboarder skater skier snowboarder soldier
    somebody someone spectator spouse student surfer swimmer teacher teammate teen teenager toddler tourist
    trumpeter umpire vendor villager volunteer waiter wakeboarder waterskier windsurfer worker wrestler
    youngster youth
    babies businesspeople children grandchildren people police salespeople
"""


def _pairs(table: str) -> dict[str, str]:
    return dict(entry.replace("_", " ").split(":") for entry in table.split())


_WORDS: dict[Gender, dict[str, str]] = {"female": _pairs(_FEMALE), "male": _pairs(_MALE)}
_REPLACEMENTS = _WORDS["male"] | _WORDS["female"]
PEOPLE = frozenset(
    {*_ANYBODY.split(), *(f"{word}s" for word in _ANYBODY.split()), *_REPLACEMENTS}
    - {"male", "males", "female", "females"}  # often beside another word for the person
)

_PRONOUNS = _pairs("he:they she:they him:them his:their her:their hers:theirs himself:themself herself:themself")
_VERBS = _pairs("is:are was:were has:have isn't:aren't wasn't:weren't hasn't:haven't doesn't:don't")
# After these a noun phrase has ended, so `her` is an object and `male` a noun.
_FUNCTION_WORDS = """
    about above across after against all along among and are around as at away back before behind below beside
    between but by can carries down during for from had has have in inside into is near next of off on onto or out
    outside over past that the their then through to together toward towards under up was were when where which
    while who with without
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())

_KEPT = (  # no people, or a kind of thing
    r"man[- ]?made|(?:spider|super|bat|iron|snow|gingerbread|lego|stick|pac)[- ]?man|x-?men|cowboy (?:hats?|boots?)"
    r"|(?:men|women|ladie|lady|gent|gentlemen)'?s'? (?:bath|rest|wash|locker )?rooms?"
)
_I = re.IGNORECASE
_WORD = re.compile(rf"\b(?:(?:{_KEPT})\b|(?:(an?)(\s+))?(?!(?:{_KEPT})\b)([a-z]+)\b('(?!\w))?)", _I)
_CHILD = re.compile(
    r"\b(baby|child|infant|kid|toddler) (?:boy|girl)\b|\b(?:boy|girl) (child|infant|kid|scouts?|toddler)\b", _I
)
_QUALIFIER = re.compile(r"(?:\b(an?)(\s+))?\b((?:fe)?male)\s+([a-z]+)\b", _I)
_SUBJECT = re.compile(r"\b(?:he|she)\b((?:\s+(?:also|just|now|still|then|\w+ly))*)(\s*'s\b|(\s+)([a-z]+(?:n't)?))?", _I)
_OBJECT = re.compile(
    rf"\bher\b(?=\s*(?:$|[^\w\s])|\s+(?:{'|'.join(sorted(_FUNCTION))})\b)|(?<=\bof )his\b(?=\s*(?:$|[^\w\s]))", _I
)
_PRONOUN = re.compile(rf"\b(?:{'|'.join(_PRONOUNS)})\b", _I)
_TWICE = re.compile(
    r"\b(they|their|them|themself)(?:\s*/\s*|\s+or\s+)\1\b|\b(children|parents|people|siblings) and \2\b", _I
)


def genders(caption: str) -> set[Gender]:
    """Which genders a caption's nouns and adjectives name; not its pronouns, which captions use of animals, too."""
    words = {(match[3] or "").lower() for match in _WORD.finditer(caption)}
    return {gender for gender, table in _WORDS.items() if words & table.keys()}


def neutral(caption: str) -> str:
    """The caption with gendered words for people replaced by words that name no gender.

    `A woman feeds her dog as she sits` becomes `A person feeds their dog as they sit`. Articles before a replaced
    word, possessives, capitals and the verb right after a pronoun agree; a second verb does not. Names of things
    (`cowboy hat`, `snowman`) stay.
    """
    for pattern, replacement in _RULES:
        caption = pattern.sub(replacement, caption)
    return caption


def _unqualified(match: re.Match[str]) -> str:
    """`a male athlete` becomes an athlete; `_noun` replaces the male of `a male rides`."""
    article, gap, qualifier, word = match.groups()
    if not _is_noun(word.lower()):
        return match[0]
    return _with_article(article, gap, word if article else _like(qualifier, word))


def _is_noun(word: str) -> bool:
    """A guess at what follows `male`: a noun, or a verb or function word."""
    if word in _FUNCTION or word.endswith("ing"):
        return False
    return word in PEOPLE or word.endswith(("ers", "ors", "ists", "ants", "ss", "us", "is")) or not word.endswith("s")


def _noun(match: re.Match[str]) -> str:
    article, gap, word, apostrophe = match.groups()
    replacement = _REPLACEMENTS.get((word or "").lower())
    if replacement is None:
        return match[0]
    possessive = "'s" if apostrophe and not replacement.endswith("s") else apostrophe or ""
    return _with_article(article, gap, _like(word, replacement) + possessive)


def _subject(match: re.Match[str]) -> str:
    adverbs, predicate, gap, verb = match.groups()
    start = _like(match[0][:2], "they") + adverbs
    if not predicate:
        return start
    return start + (predicate.replace("'s", "'re") if verb is None else gap + _plural_verb(verb))


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_CHILD, lambda match: _like(match[0], match[1] or match[2])),
    (_QUALIFIER, _unqualified),
    (_WORD, _noun),
    (_SUBJECT, _subject),
    (_OBJECT, lambda match: _like(match[0], "theirs" if match[0].lower() == "his" else "them")),
    (_PRONOUN, lambda match: _like(match[0], _PRONOUNS[match[0].lower()])),
    (_TWICE, lambda match: match[1] or match[2]),
)


def _plural_verb(verb: str) -> str:
    """The plural of a verb in the third person; other words stay."""
    if verb in _VERBS:
        return _VERBS[verb]
    if verb.endswith("ies") and len(verb) > 4:
        return f"{verb[:-3]}y"
    if verb.endswith(("ches", "shes", "sses", "xes", "zzes", "oes")):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith(("ss", "us", "is", "as")) else verb


def _with_article(article: str | None, gap: str | None, words: str) -> str:
    if article is None:
        return words
    return _like(article, "an" if words[0].lower() in "aeiou" else "a") + (gap or "") + words


def _like(model: str, words: str) -> str:
    """The words with capitals as in the model."""
    if len(model) > 1 and model.isupper():
        return words.upper()
    return words[0].upper() + words[1:] if model[0].isupper() else words
