"""Names that columns of users, items, times and ratings usually have."""

from collections.abc import Iterable

# Names without capitals, spaces and signs. Of several tiers, the first that a file has counts.
USUAL: dict[str, tuple[str, ...]] = {
    "user": (
        "user userid uid useridx",
        "customer customerid cust custid customerno visitor visitorid reviewer reviewerid member "
        "memberid client clientid account accountid household householdid person personid player "
        "playerid listener listenerid subscriber subscriberid username authorid profile profileid",
        "session sessionid usersession",
    ),
    "item": (
        "item itemid iid itemidx",
        "product productid prod prodid productno sku article articleid articleno asin parentasin "
        "movie movieid book bookid isbn track trackid song songid video videoid game gameid app "
        "appid business businessid poi poiid venue venueid location locationid place placeid news "
        "newsid recipe recipeid course "
        "courseid hotel hotelid anime animeid artist artistid page pageid url offer offerid show "
        "showid content contentid stockcode merchant merchantid",
    ),
    "timestamp": (
        "timestamp time ts datetime",
        "date eventtime eventtimestamp eventdate createdat unixreviewtime unixtime unixtimestamp "
        "boughtat purchasedat purchasedate orderdate ordertime orderedat invoicedate reviewtime "
        "ratingtimestamp transactiontimestamp transactiondate tdat clicktime day",
    ),
    "rating": ("rating ratings stars", "score overall grade value"),
    "event": ("event eventtype", "action actiontype behavior behaviour interaction kind type"),
}


def plain(name: str) -> str:
    """The name without capitals, spaces and signs."""
    return "".join(character for character in name.lower() if character.isalnum())


def called(field: str, names: Iterable[str], lists: Iterable[str] = ()) -> list[str]:
    """The names that usually stand for a field of USUAL, those of its first tier that fits.

    ``lists`` are names of lists of its values. In each tier they count after the other names.
    """
    names, lists = list(names), list(lists)
    for tier in USUAL[field]:
        usual = set(tier.split())
        found = [name for name in names if plain(name) in usual]
        found = found or [name for name in lists if _of_one(name) & usual]
        if found:
            return found
    return []


def _of_one(name: str) -> set[str]:
    """What one value of a list may be called, plainly: itemid for item_ids and item_id_list."""
    known = {plain(name)}
    known |= {one.removesuffix(end) for one in known for end in ("list", "sequence", "seq")}
    return known | {one.removesuffix("s") for one in known}


def is_usual(names: Iterable[str]) -> bool:
    """Whether the names are those of a user and of an item, among others."""
    names = list(names)
    return bool(called("user", names) and called("item", names))
