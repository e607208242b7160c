"""What people and publishers really have, made by chance: no bug, no hang, no silent loss.

    python -m tests.campaigns.world [--inputs 100] [--only KIND] [--seed N]

Of each kind so many inputs are made whose truth is known: repositories of the hub, references,
folders of documents, texts in other encodings, and queries of the history. A fault is an exception
that is no error of ours, an input that takes longer than ten seconds, and whatever is lost or
changed without a word: a file that is neither read nor named, a draft that is fetched as the model,
a text that reads differently and no remark.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from localai.chat.encodings import recognised
from localai.chat.file_arguments import gather_files
from localai.database import Database
from localai.database.history import Criteria
from localai.errors import LocalaiError
from localai.fetch.hub_names import (
    HubFile,
    choose_projector,
    choose_variant,
    companions,
    gguf_variants,
)
from localai.formats.gguf_names import role_by_name
from localai.stores.references import HubReference, hub_reference, plain_name
from localai.types import Message
from tests.support.pdf import a_pdf

LONGEST_S = 10
Form = Literal["NFC", "NFD", "NFKD", "NFKC"]

# Sentences with the encodings in which such texts are met.
TEXTS = (
    ("Die Straße führt über die Brücke, und die Häuser sind schön.", ("cp1252", "iso8859-1")),
    ("L'été dernier, nous étions à la plage où il faisait très chaud.", ("cp1252", "iso8859-1")),
    ("El niño comió una manzana y después durmió la siesta.", ("cp1252", "iso8859-1")),
    ("“Quoted” – text… with a price of 5 € in it.", ("cp1252",)),
    ("Zażółć gęślą jaźń i inne polskie słowa w tekście.", ("cp1250", "iso8859-2")),
    ("Příliš žluťoučký kůň úpěl ďábelské ódy.", ("cp1250", "iso8859-2")),
    ("Привет, как дела? Это обычный русский текст.", ("cp1251", "koi8-r", "cp866")),
    ("Ελληνικό κείμενο για δοκιμή της αναγνώρισης.", ("cp1253",)),
    ("Türkçe bir metin örneği, şöyle böyle ve çok güzel.", ("cp1254",)),
    ("שלום עולם, זה טקסט בעברית לבדיקה.", ("cp1255",)),
    ("ملف نصي باللغة العربية للتجربة والاختبار.", ("cp1256",)),
    ("これは日本語の文章です。とても簡単です。", ("cp932", "euc_jp")),
    ("今天天气很好，我们去公园散步吧。", ("gb18030",)),
    ("繁體中文的測試文字檔案", ("big5",)),
    ("한국어 문장입니다. 안녕하세요.", ("cp949",)),
    ("สวัสดีครับ นี่คือข้อความภาษาไทยสำหรับการทดสอบ", ("cp874",)),
    ("Plain ASCII, nothing else.", ("ascii",)),
)
WORDS = (
    *("Crème", "brûlée", "Straße", "İstanbul", "Việt", "Łódź", "ΆΝΟΙΞΗ", "ἄνθρωπος", "Ёлка"),
    *("שָׁלוֹם", "كِتَابٌ", "أحمد", "हिन्दी", "தமிழ்", "বাংলা", "東京大学", "ガッコウ", "한국어", "ภาษาไทย"),
    *("🎉", "👍🏽", "👩‍💻", "❤️", "🇩🇪", "x²", "ﬁnal", "Ⅷ", "ＦＵＬＬ", "naïve", "foo_bar", "don't"),
)

MODELS = ("Qwen3-8B", "tiny_1b", "Llama-3.2-3B-Instruct", "m")
QUANTIZATIONS = ("Q4_K_M", "Q8_0", "IQ3_XXS", "f16", "BF16", "MXFP4", "Q2_K")
NAMES = ("~tilde", "a'b", "ü", "x[1]", "-n", "#1", "plain", "a\nb")


class Fault(Exception):
    """What was lost or changed without a word."""


class Hang(BaseException):
    """It took too long."""


def repository(chance: random.Random, folder: Path) -> None:
    """Files of one or two models, of several publishers' manners, with what lies beside them."""
    files: dict[str, int] = {}
    models = chance.sample(
        ["Qwen3-8B", "tiny_1b", "Llama-3.2-3B-Instruct", "m"], chance.choice((1, 2))
    )
    for model in models:
        for quant in chance.sample(
            ["Q4_K_M", "Q8_0", "IQ3_XXS", "f16", "BF16", "MXFP4", "Q2_K"], 3
        ):
            name = chance.choice(
                (
                    f"{model}-{quant}",
                    f"{model}.i1-{quant}",
                    f"{model}-UD-{quant}",
                    f"{model}-{quant}-imat",
                )
            )
            where = chance.choice(("", "", f"{quant}/", f"{model}/"))
            size = chance.randrange(10_000, 20_000)
            if chance.random() < 0.2:
                files |= {f"{where}{name}-{at:05}-of-00003.gguf": size for at in (1, 2, 3)}
            else:
                files[f"{where}{name}.gguf"] = size
    beside = [
        *(f"mmproj-{models[0]}-F16.gguf", f"{models[0]}.mmproj-f16.gguf", "mmproj-BF16.GGUF"),
        *(f"mtp-{models[0]}-Q4_K_M.gguf", "MTP/head-Q8_0.gguf", "eagle3-x-Q4_K_M.gguf"),
        *(f"{models[0]}-DRAFT-0.6B-Q4_K_M.gguf", "draft-Q4_K_M.gguf", "dflash-Q4_K_M.gguf"),
        *(f"{models[0]}-imatrix.gguf", "imatrix_unsloth.gguf", f"{models[0]}.imatrix.gguf"),
        *(f"{models[0]}-F16-LoRA.gguf", "ggml-vocab-x.gguf", "README.md", "config.json"),
    ]
    others = chance.sample(beside, chance.randrange(8))
    files |= {name: chance.randrange(100, 9_000) for name in others}
    listed = [HubFile(name, size, None) for name, size in files.items()]
    chance.shuffle(listed)
    variants, aside = gguf_variants(listed), companions(listed)
    grouped = [file.path for each in (*variants, *aside) for file in each.files]
    eyes = [name for name in files if role_by_name(name) == "projector"]
    if sorted([*grouped, *eyes]) != sorted(n for n in files if n.lower().endswith(".gguf")):
        raise Fault(f"{set(files) - set(grouped) - set(eyes)} is in no list")
    if taken := {file.path for each in variants for file in each.files} & set(others):
        raise Fault(f"{taken} is taken for a model")
    for each in variants:
        reference = hub_reference(f"hf.co/org/repo{each.suffix}")
        if reference is None or choose_variant(reference, variants, aside) != each:
            raise Fault(f"{each.suffix} does not mean {each.files[0].path}")
    asked: tuple[str | None, ...] = (None, "Q4_K_M", "q8_0", "latest", "nothing")
    for wanted in asked:
        try:
            found = choose_variant(HubReference("org/repo", wanted), variants, aside)
        except LocalaiError as error:
            if not error.hint:
                raise Fault(f"{wanted}: no way out is named") from error
            continue
        if found not in variants:
            raise Fault(f"{wanted} means {found.files[0].path}")
    projector = choose_projector(listed, variants[0].files[0].path)
    if bool(projector) != bool(eyes):
        raise Fault("the projector was lost")


def reference(chance: random.Random, folder: Path) -> None:
    """One model, written in every manner: the same is meant, here and for `-m`."""
    repo = chance.choice(("org/repo", "Qwen/Qwen3-8B-GGUF", "a1/b.c_d-e"))
    file = chance.choice(("x-Q4_0.gguf", "sub/x Y-Q8_0.gguf", "a/b/c.GGUF"))
    host = chance.choice(
        ("hf.co/", "HF.CO/", "https://huggingface.co/", "http://www.hf.co/", "hf://")
    )
    quoted = file.replace(" ", "%20")
    forms = {
        f"{host}{repo}/blob/main/{quoted}": HubReference(repo, None, file),
        f"{host}{repo}/resolve/main/{quoted}?download=true": HubReference(repo, None, file),
        f"{host}{repo}:{file}": HubReference(repo, None, file),
        f"{host}{repo}": HubReference(repo, None),
        f"{host}{repo}:latest": HubReference(repo, None),
        f"{host}{repo}:Q4_K_M": HubReference(repo, "Q4_K_M"),
        f"{host}{repo}@v1.0:q8_0": HubReference(repo, "q8_0", revision="v1.0"),
    }
    for text, expected in forms.items():
        if hub_reference(text) != expected:
            raise Fault(f"{text} means {hub_reference(text)}")
        if hub_reference(plain_name(text)) not in (expected, HubReference(repo, expected.quant)):
            raise Fault(f"{text} is {plain_name(text)} here")
    noise = "".join(chance.choices("hf.co/:@?#%~ü\0 \n./\\ab", k=chance.randrange(30)))
    for text in (noise, f"hf://{noise}", f"file:{noise}", f"https://huggingface.co/{noise}"):
        try:
            plain_name(text)
        except LocalaiError:
            continue


def documents(chance: random.Random, folder: Path) -> None:
    """A folder of files of all kinds, links that loop among them: each is read, or named."""
    truth: dict[str, str] = {}
    for number in range(chance.randrange(2, 9)):
        where = folder / chance.choice((".", "sub", "sub/deep", "with space"))
        where.mkdir(parents=True, exist_ok=True)
        name = chance.choice(("~tilde", "a'b", "ü", "x[1]", "-n", "#1", "plain", "a\nb")) + str(
            number
        )
        kind = chance.randrange(6)
        path = where / f"{name}.{('txt', 'pdf', 'png', 'bin', 'pdf', 'txt')[kind]}"
        text, encodings = chance.choice(TEXTS)
        if kind == 0:
            path.write_text(text, encoding="utf-8")
            truth[str(path)] = text
        elif kind == 5:
            path.write_bytes(text.encode(chance.choice((*encodings, "utf-16", "utf-8-sig"))))
        elif kind in (1, 4):
            content = _pdf(chance, "Some text" if kind == 1 else "")
            if kind == 1:
                truth[str(path)] = "Some text"
                content = chance.choice((b"", b"\r\n\xef\xbb\xbf", b"@PJL\n" * 9)) + content
            elif chance.random() < 0.5:
                content = content[: chance.randrange(20, len(content))]
            path.write_bytes(content)
        else:
            path.write_bytes(
                chance.choice((b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x7fELF\0")) + os.urandom(99)
            )
    for link, target in (("up", ".."), ("self", "."), ("sub/back", ".."), ("round", "round")):
        if (folder / link).parent.is_dir() and chance.random() < 0.5:
            (folder / link).symlink_to(target)
    there = {str(path) for path in folder.rglob("*") if path.is_file()}
    for argument in (str(folder), f"{folder}/**", f"{folder}/**/*"):
        try:
            found = gather_files([argument])
        except LocalaiError as error:
            if truth:
                raise Fault(f"{argument}: {error.message}") from error
            continue
        read = {file.name: file for file in found.files}
        if missing := there - set(read) - set(found.left_out) - set(found.unreadable):
            raise Fault(f"{argument}: {missing} is neither read nor named")
        if len(read) + len(found.left_out) + len(found.unreadable) != len(there):
            raise Fault(f"{argument}: a file comes twice")
        for name, text in truth.items():
            if name not in read or read[name].text.strip() != text:
                raise Fault(f"{name} does not read as it was written")


def _pdf(chance: random.Random, text: str) -> bytes:
    return a_pdf(text, *[""] * chance.randrange(3))


TOLD: Counter[str] = Counter()
"""How texts in other encodings were read: rightly and said, refused, or wrongly and said."""


def encoding(chance: random.Random, folder: Path) -> None:
    """A text in an encoding that it does not name: read rightly, or said, or refused."""
    text, encodings = chance.choice(TEXTS)
    name = chance.choice((*encodings, "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"))
    text = "\n".join([text] * chance.randrange(1, 4))[: chance.choice((8, 20, 500))]
    content = text.encode(name)
    if chance.random() < 0.2:
        content = content[: chance.randrange(len(content) + 1)]
        text = ""
    try:
        read, found = recognised(content, "x")
    except LocalaiError:
        TOLD["refused"] += 1
        if name == "utf-8" and text:
            raise Fault("UTF-8 is refused") from None
        return
    if found is None and text and read != text:
        raise Fault(f"{name} reads as {read!r} without a word")
    TOLD["right" if not text or read == text else "wrong and said"] += 1


def history(chance: random.Random, folder: Path) -> None:
    """Words of all scripts, asked for in another form: found, and shown as they were written."""
    database = Database(folder / "localai.db")
    words = chance.sample(WORDS, 6)
    forms: tuple[Form, ...] = ("NFC", "NFD", "NFKD", "NFKC")
    form = chance.choice(forms)
    text = chance.choice((" ", ", ", "\n")).join(words)
    text = unicodedata.normalize(chance.choice(forms[:2]), text)
    conversation = database.create_conversation()
    filler = chance.choice(("", "x " * 900, "字" * 900, "é " * 900))
    written = f"{filler}{text} {filler}"
    database.add_message(conversation, None, Message("user", written))
    for word in words:
        query = unicodedata.normalize(form, chance.choice((word, word.lower(), f'"{word}"')))
        hits = database.search(query, Criteria(), 5)
        if not hits:
            raise Fault(f"{query!r} does not find {word!r}")
        shown = hits[0].excerpt.strip("…")
        if shown.strip() not in written:
            raise Fault(f"{shown!r} was not written")
        if not hits[0].marks:
            raise Fault(f"{query!r} is not marked in {shown!r}")
    noise = "".join(chance.choices('"*\u0301\u200d\ufe0f🎉が ()^:-\x02\x03\0ａ', k=12))
    database.search(noise, Criteria(), 5)
    database.close()


KINDS: dict[str, Callable[[random.Random, Path], None]] = {
    "repositories": repository,
    "references": reference,
    "documents": documents,
    "encodings": encoding,
    "history": history,
}


def tried(kind: str, seed: int) -> str | None:
    """What is wrong with the input `seed` of that kind; None if nothing is."""

    def stop(number: int, frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_S)
    try:
        with tempfile.TemporaryDirectory(prefix="localai-world-") as folder:
            KINDS[kind](random.Random(seed), Path(folder))
    except Hang:
        return "it hangs"
    except Fault as fault:
        return f"silent loss: {fault}"
    except LocalaiError as error:
        return f"refused what is right: {error.message}"
    except Exception as error:  # noqa: BLE001  whatever else it raises is a bug
        return f"a bug: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return None


def main() -> int:
    """Try all kinds, say what was found, and end with 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = False
    for kind in [arguments.only] if arguments.only else KINDS:
        began = time.monotonic()
        faults = 0
        for seed in range(arguments.seed, arguments.seed + arguments.inputs):
            if (fault := tried(kind, seed)) is not None:
                faults += 1
                print(f"{kind}, --seed {seed}: {fault}", flush=True)
        failed = failed or bool(faults)
        took = time.monotonic() - began
        print(f"{kind}: {arguments.inputs} inputs, {faults} faults, {took:.0f} s", flush=True)
    if TOLD:
        print("encodings: " + ", ".join(f"{count} {how}" for how, count in TOLD.items()))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
