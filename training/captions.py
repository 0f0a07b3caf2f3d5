"""Captions for scenes: many ways to say the same thing, so that wording and word order do not matter.

    caption(scene, rng)              # any wording
    caption(scene, rng, plain=True)  # one of a few simple wordings, every feature named, no synonyms
"""
from shapes import RELATIONS

SYNONYMS = {  # what the canonical word may be replaced by; the first word of the vocabulary table below is always the key
    "red": ["scarlet", "crimson"], "green": ["emerald", "lime"], "blue": ["azure"], "yellow": ["golden", "gold"],
    "purple": ["violet"], "pink": ["rose", "magenta"], "cyan": ["turquoise", "teal", "aqua"], "gray": ["grey", "silver"],
    "circle": ["disc", "disk", "dot", "ball"], "square": ["box", "block"], "ring": ["donut", "hoop"],
    "diamond": ["rhombus", "lozenge"],
    "small": ["little", "tiny", "mini"], "large": ["big", "huge", "giant", "enormous"],
    "mountains": ["mountain", "peaks", "a mountain landscape", "a mountain range"],
    "snowy mountains": ["snow mountains", "snow-capped mountains", "snow covered mountains", "mountains with snow",
                        "snowy peaks", "a snowy mountain", "winter mountains", "snowy landscape", "winter landscape"],
    "hills": ["rolling hills", "green hills", "a meadow", "the countryside", "a valley", "grassland", "green fields", "a hill"],
    "the sea": ["sea", "the ocean", "ocean", "water", "a seascape", "a lake", "the waves", "a calm sea"],
    "a desert": ["the desert", "desert", "sand dunes", "dunes", "a sandy desert"],
    "a forest": ["the forest", "forest", "the woods", "woods", "a pine forest", "woodland"],
    "during the day": ["by day", "at day", "in daylight", "in the daytime", "at noon", "in the morning", "in the afternoon",
                       "under a blue sky", "with a blue sky"],
    "at sunset": ["at dusk", "at sunrise", "at dawn", "in the evening", "at twilight", "sunset", "under an orange sky"],
    "at night": ["by night", "at midnight", "in the night", "at nighttime", "under a night sky", "under a dark sky", "in the dark"],
    "the sun": ["sun", "a sun", "a bright sun", "sunshine"], "a moon": ["the moon", "moon", "a crescent moon", "moonlight"],
    "stars": ["the stars", "many stars", "bright stars", "a starry sky"], "clouds": ["white clouds", "some clouds", "a cloudy sky", "cloud"],
    "boat": ["sailboat", "ship", "sailing boat", "yacht"], "house": ["cottage", "cabin", "hut", "home"],
    "trees": ["some trees", "pine trees", "pines", "fir trees", "a tree"], "a cactus": ["cactus", "cacti", "a saguaro", "a green cactus"],
}
WHERE = {
    "center": ["in the center", "in the middle", "in the centre", "at the center", "centered", ""],
    "left": ["on the left", "on the left side", "at the left", "to the left", "left"],
    "right": ["on the right", "on the right side", "at the right", "to the right", "right"],
    "top": ["at the top", "on top", "in the upper part", "top"], "bottom": ["at the bottom", "in the lower part", "bottom"],
    **{f"{v} {h}": [f"at the {v} {h}", f"in the {v} {h}", f"in the {v} {h} corner", f"in the {u} {h} corner", f"{v} {h}"]
       for v, u in (("top", "upper"), ("bottom", "lower")) for h in ("left", "right")},
}
BETWEEN = {
    "left of": ["to the left of", "left of", "on the left of"], "right of": ["to the right of", "right of", "on the right of"],
    "above": ["above", "over", "on top of"], "below": ["below", "under", "beneath", "underneath"],
    "inside": ["inside", "in", "within", "inside of"],
}
INVERSE = {"left of": BETWEEN["right of"], "right of": BETWEEN["left of"], "above": BETWEEN["below"], "below": BETWEEN["above"],
           "inside": ["around", "surrounding", "containing", "with"]}
NUMBERS = {2: ["two", "2", "a pair of"], 3: ["three", "3"], 4: ["four", "4"], 5: ["five", "5"]}
OPENINGS = ["a picture of ", "a painting of ", "an image of ", "a drawing of ", "picture of ", "an illustration of ", "a photo of ",
            "draw ", "show me ", "paint ", "generate ", "create an image of ", "there is ", "please draw ", "a simple drawing of ",
            "a beautiful picture of ", "a view of ", "a scene with ", "a minimalist illustration of ", "i want "]
ENDINGS = [".", "!", ", please", ", digital art", ", flat design", ", high quality", ", simple", ", minimalist", ", vector art",
           ", cartoon style", ", detailed", ", beautiful"]
ADJECTIVES = ["beautiful", "nice", "simple", "bright", "pretty", "cute", "colorful", "lovely"]
UNKNOWN = "qqq"  # a word that never enters the vocabulary: teaches the model to read past unknown words


def words():
    """Every text fragment above and in the templates below, for the vocabulary."""
    fragments = [*OPENINGS, *ENDINGS, *ADJECTIVES, *SYNONYMS, *RELATIONS, *WHERE]
    for table in (SYNONYMS, WHERE, BETWEEN, INVERSE, NUMBERS):
        for variants in table.values():
            fragments += variants
    return fragments + [
        "black white orange brown star heart triangle circles squares triangles stars hearts rings diamonds discs disks dots balls",
        "boxes blocks donuts hoops shapes shape medium colored next to beside by near side sides row from in a an the on of and with",
        "against backdrop background without no , ; : - starry cloudy sunny moonlit sky scene landscape night day colour color",
        "floating standing sailing shining where is are it has plain solid only one over above under behind front boats houses"]


def article(text):
    return ("an " if text[:1] in "aeiou" else "a ") + text


class Writer:
    """Writes one caption; `plain` keeps to canonical words."""

    def __init__(self, rng, plain=False):
        self.rng, self.plain = rng, plain

    def say(self, word):
        options = SYNONYMS.get(word)
        return word if self.plain or not options or self.rng.random() < .55 else self.rng.choice(options)

    def pick(self, options):
        return options[0] if self.plain else self.rng.choice(options)

    def chance(self, p):
        return not self.plain and self.rng.random() < p

    # -------------------------------------------------------- flat scenes

    def thing(self, item, plural=False):
        kind = self.say(item["shape"])
        kind = kind if not plural else kind + ("es" if kind.endswith("x") or kind.endswith("us") else "s")
        size = self.say(item["size"]) if item["size"] else "medium" if self.chance(.05) else None
        color = self.say(item["color"]) + (" colored" if self.chance(.03) else "")
        parts = [self.rng.choice(ADJECTIVES) if self.chance(.04) else None, size, color, kind]
        if size and self.chance(.06):
            parts[1:3] = [color, size]
        return " ".join(filter(None, parts))

    def single(self, item):
        text = self.thing(item)
        return text if self.chance(.12) else "the " + text if self.chance(.06) else article(text)

    def flat(self, scene):
        objects, background = scene["objects"], self.say(scene["background"])
        names = [self.single(o) for o in objects]
        if "side" in scene:
            where = self.rng.choice(["", "in the center"]) if self.plain and scene["side"] == "center" else self.pick(WHERE[scene["side"]])
            body = f"{names[0]} {where}".strip()
            if where and self.chance(.12):
                body = f"{where}, {names[0]}"
        elif "relation" in scene:
            body = f"{names[0]} {self.pick(BETWEEN[scene['relation']])} {names[1]}"
            if self.chance(.3):
                body = f"{names[1]} {self.rng.choice(INVERSE[scene['relation']])} {names[0]}"
            elif scene["relation"] == "left of" and self.chance(.3):
                body = f"{names[0]} {self.rng.choice(['and', 'next to', 'beside', 'near', ','])} {names[1]}"
        elif "row" in scene:
            body = (", ".join(names[:-1]) + (" and " if self.plain or self.rng.random() < .8 else ", ") + names[-1])
            body += self.pick(["", " in a row", " side by side", " next to each other", " from left to right"])
        else:
            body = f"{self.pick(NUMBERS[scene['count']])} {self.thing(objects[0], plural=True)}"
        if self.plain:
            return body + self.rng.choice([f" on {article(background)} background", f", {background} background", f" on {background}"])
        if scene["background"] == default_background(scene) and self.chance(.35):
            return body
        ground = self.rng.choice(["background"] * 4 + ["backdrop"])
        return self.rng.choice([
            f"{body} on {article(background)} {ground}", f"{body} on {article(background)} {ground}", f"{body}, {background} {ground}",
            f"{body} on {background}", f"{body} with {article(background)} {ground}", f"{body} against {article(background)} {ground}",
            f"{background} {ground}, {body}", f"on {article(background)} {ground}, {body}", f"{article(background)} {ground} with {body}",
            f"{background} {ground} and {body}", f"{body} on a plain {background} {ground}"])

    def flat_keywords(self, scene):
        """A few loose words about a flat scene."""
        item = self.rng.choice(scene["objects"])
        plural = "count" in scene
        options = [self.say(item["shape"]) + ("s" if plural and item["shape"] != "box" else ""), self.thing(item, plural),
                   f"{self.say(item['color'])} shape", self.say(item["color"]), f"{self.say(scene['background'])} background"]
        return ", ".join(self.rng.sample(options, self.rng.choice([1, 1, 2])))

    # -------------------------------------------------------- landscapes

    def things(self, scene):
        """Phrases for what is in a landscape, in random order."""
        side = lambda key: " " + self.pick(WHERE[scene[key]][:3]) if key in scene and not self.chance(.2) else ""
        found = []
        if "light" in scene:
            found.append(self.say("the sun" if scene["light"] == "sun" else "a moon") + side("light_side"))
        found += [self.say(word) for word in ("stars", "clouds", "trees") if scene.get(word)]
        for key in ("house", "boat"):
            if key in scene:
                color = "" if self.chance(.12) else self.say(scene[key]) + " "
                found.append(article(color + self.say(key)) + side("thing_side"))
        if scene.get("cactus"):
            found.append(self.say("a cactus"))
        self.rng.shuffle(found)
        return found

    def landscape(self, scene):
        noun = self.say({"sea": "the sea", "desert": "a desert", "forest": "a forest"}.get(scene["land"], scene["land"]))
        when = {"day": "during the day", "sunset": "at sunset", "night": "at night"}[scene["time"]]
        when = "" if scene["time"] == "day" and self.rng.random() < .4 else self.say(when)
        found = self.things(scene)
        if found and self.chance(.25):  # not everything in a picture is always mentioned
            found = found[:self.rng.randrange(len(found))]
        joined = " and ".join(found) if self.plain or self.rng.random() < .6 else ", ".join(found)
        if self.plain:
            return f"{noun} {when}".strip() + (f" with {joined}" if found else "")
        absent = [w for w in ("stars", "clouds", "trees", "a house", "a boat", "the sun", "a moon")
                  if not scene.get(w.split()[-1]) and scene.get("light") != w.split()[-1]]
        lacking = f" {self.rng.choice(['without', 'no', ', no'])} {self.rng.choice(absent)}" if self.chance(.06) else ""
        implied = {"sea": "boat", "desert": "cactus", "hills": "house"}.get(scene["land"])
        if found and implied in scene and self.chance(.2):
            return f"{joined} {when}{lacking}"
        if not found:
            return self.rng.choice([f"{noun} {when}", f"{when} {noun}", f"{noun}, {when}"]) + lacking
        mood = [m for m, key in (("starry", "stars"), ("cloudy", "clouds")) if scene.get(key)] or ["sunny" if scene.get("light") == "sun" else "moonlit"] * ("light" in scene)
        if mood and scene["time"] != "sunset" and self.chance(.08):
            return f"{noun} {self.rng.choice(['on', 'in'])} a {mood[0]} {scene['time']}{lacking}"
        return self.rng.choice([
            f"{noun} {when} with {joined}", f"{noun} {when} with {joined}", f"{noun} with {joined} {when}", f"{noun}, {when}, {joined}",
            f"{joined}, {noun} {when}", f"{when}, {noun} with {joined}", f"{joined} {self.rng.choice(['over', 'and', 'in', 'on', 'above'])} {noun} {when}",
            f"{noun} and {joined} {when}", f"{joined}, {when}, {noun}"]) + lacking

    def landscape_keywords(self, scene):
        options = [t.rsplit(" on the", 1)[0] for t in self.things(scene)] * 2
        options += [self.say({"sea": "the sea", "desert": "a desert", "forest": "a forest"}.get(scene["land"], scene["land"])),
                    {"day": "day", "sunset": "sunset", "night": "night"}[scene["time"]]]
        return ", ".join(dict.fromkeys(self.rng.sample(options, min(len(options), self.rng.choice([1, 1, 2])))))


def default_background(scene):
    """The background of a flat scene whose caption names none."""
    return "black" if any(o["color"] == "white" for o in scene["objects"]) else "white"


def caption(scene, rng, plain=False):
    writer = Writer(rng, plain)
    flat = scene["type"] == "shapes"
    if writer.chance(.09):
        return (writer.flat_keywords if flat else writer.landscape_keywords)(scene)
    text = (writer.flat if flat else writer.landscape)(scene)
    if plain:
        return text
    if rng.random() < .35:
        text = rng.choice(OPENINGS) + text
    if rng.random() < .15:
        text += rng.choice(ENDINGS)
    if rng.random() < .06:
        parts = text.split()
        parts.insert(rng.randrange(len(parts) + 1), UNKNOWN)
        text = " ".join(parts)
    return " ".join(text.split())
