from pipeline.model.pyfunc_signature import pyfunc_signature


def test_an_image_comes_as_bytes_or_as_a_path():
    inputs = pyfunc_signature().inputs
    assert {column.name: (str(column.type), column.required) for column in inputs} == {
        "image": ("DataType.binary", False),
        "path": ("DataType.string", False),
    }


def test_a_caption_comes_with_what_it_is_worth():
    types = {column.name: str(column.type) for column in pyfunc_signature().outputs}
    assert types == {
        "caption": "DataType.string",
        "score": "DataType.double",
        "confidence": "DataType.double",
        "reason": "DataType.string",
    }
