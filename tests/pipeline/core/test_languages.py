import pytest

from pipeline.core.languages import contradiction, detected, language_code, scripts_in


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("一只狗 a b", "zh"),
        ("公園の犬", "ja"),
        ("ｲﾇが走る", "ja"),
        ("หมาวิ่ง", "th"),
        ("ໝາແລ່ນ", "lo"),
        ("ခွေးပြေး", "my"),
        ("ឆ្កែរត់", "km"),
        ("개가 달린다", "ko"),
        ("σκύλος", "el"),
        ("כלב רץ", None),
        ("a dog 狗", None),
        ("собака", None),
        ("كلب", None),
        ("12 !", None),
        ("", None),
    ],
)
def test_the_script_of_most_letters_tells_the_language(text, code):
    assert detected(scripts_in([text])) == code
    assert code is None or contradiction(code, scripts_in([text])) is None


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ja", "一只狗"),
        ("zh", "公園の犬が"),
        ("zh", "a dog"),
        ("en", "一只狗"),
        ("ru", "a dog"),
        ("ko", "公園の犬"),
        ("th", ""),
    ],
)
def test_a_language_contradicts_another_script(code, text):
    assert f"; {code} is written in" in contradiction(code, scripts_in([text]))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("tr", "bir köpek"),
        ("sr", "пас"),
        ("sr", "pas"),
        ("ku", "kûçik"),
        ("ku", "سەگ"),
        ("eo", "hundo"),
        ("en", "a sign 北京"),
    ],
)
def test_languages_of_one_script_are_not_told_apart(code, text):
    assert contradiction(code, scripts_in([text])) is None


def test_codes():
    assert [language_code(each) for each in ("zh", " ZH", "zh-TW", "pt_BR")] == ["zh", "zh", "zh", "pt"]
    for wrong in ("english", "xx", "-", "e"):
        with pytest.raises(
            ValueError, match=r"is no code of a language in ISO 639-1; give one such as .*, or leave it empty"
        ):
            language_code(wrong)
