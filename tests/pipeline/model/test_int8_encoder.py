import sys

import pytest

from pipeline.core.errors import SettingsError
from pipeline.model.int8_encoder import check_graph, load_openvino

GRAPH = '<?xml version="1.0"?>\n<net name="n" version="11"><layers><layer id="0" name="p" type="Parameter" {}/></layers></net>'


def test_without_openvino_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SettingsError, match=r"install nightcap\[int8\]"):
        load_openvino()


def test_a_graph_of_openvinos_own_operations_is_accepted(tmp_path):
    file = tmp_path / "encoder.int8.xml"
    file.write_text(GRAPH.format('version="opset13"'))
    check_graph(file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no graph",
        GRAPH.format('version="opset1"').replace("</net>", ""),
        GRAPH.format('version="extension"'),
        GRAPH.format('version="opset1; custom"'),
        GRAPH.format(""),
        GRAPH.format("""label=' version="opset1" ' version='extension'"""),
        GRAPH.format('version="opset1"').replace(
            "<net", '<!DOCTYPE net [<!ENTITY e SYSTEM "file:///etc/hostname">]><net'
        ),
        '<?xml version="1.0"?><other/>',
    ],
)
def test_any_other_file_is_refused(text, tmp_path):
    file = tmp_path / "encoder.int8.xml"
    file.write_text(text)
    with pytest.raises(ValueError, match="OpenVINO"):
        check_graph(file)
