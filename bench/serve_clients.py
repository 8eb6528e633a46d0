"""Stock clients against a running gateway: each function is one client, unchanged, and prints what it got.

python serve_clients.py CLIENT PORT KEY, in the environment of its client (clients.txt, mlserver.txt). The model
``line`` is x @ [[1, -1], [0.5, 0.25]] of tests/serve/small.py; of the row (1, 2) that is (2, -0.5).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROW = [1.0, 2.0]


def tensor(module: ModuleType, *, binary: bool) -> object:
    import numpy as np

    made = module.InferInput("x", [1, 2], "FP32")
    made.set_data_from_numpy(np.array([ROW], np.float32), binary_data=binary)
    return made


def triton(port: int, key: str) -> list[object]:
    import tritonclient.http as client

    bearer = {"Authorization": f"Bearer {key}"}
    with client.InferenceServerClient(f"127.0.0.1:{port}") as made:
        assert made.is_server_live(headers=bearer)
        assert made.is_server_ready(headers=bearer)
        assert made.is_model_ready("line", headers=bearer)
        found = [made.get_model_metadata("line", headers=bearer)["inputs"][0]["datatype"]]
        for binary in (True, False):
            for outputs in (None, [client.InferRequestedOutput("scores", binary_data=binary)]):
                asked = [tensor(client, binary=binary)]
                answer = made.infer("line", asked, outputs=outputs, headers=dict(bearer), request_id="7")
                found.append(answer.as_numpy("scores").tolist())
        try:
            made.infer("none", [tensor(client, binary=True)], headers=dict(bearer))
        except client.InferenceServerException as refused:
            found.append(refused.status())
    return found


def triton_aio(port: int, key: str) -> list[object]:
    import tritonclient.http.aio as client

    async def ask() -> list[object]:
        bearer, found = {"Authorization": f"Bearer {key}"}, []
        async with client.InferenceServerClient(f"127.0.0.1:{port}") as made:
            assert await made.is_server_live(headers=bearer)
            for binary in (True, False):
                answer = await made.infer("line", [tensor(client, binary=binary)], headers=dict(bearer))
                found.append(answer.as_numpy("scores").tolist())
        return found

    return asyncio.run(ask())


def kserve(port: int, key: str) -> list[object]:
    import numpy as np
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
    from kserve.protocol.infer_type import RequestedOutput

    async def ask() -> list[object]:
        made, found = InferenceRESTClient(RESTConfig(protocol="v2")), []
        bearer, base = {"Authorization": f"Bearer {key}"}, f"http://127.0.0.1:{port}"
        assert await made.is_server_live(base, headers=bearer)
        assert await made.is_server_ready(base, headers=bearer)
        assert await made.is_model_ready(base, "line", headers=bearer)
        for binary in (False, True):
            x = InferInput("x", [1, 2], "FP32")
            x.set_data_from_numpy(np.array([ROW], np.float32), binary_data=binary)
            wanted = [RequestedOutput("scores", parameters={"binary_data": True})] if binary else None
            asked = InferRequest("line", [x], request_outputs=wanted)
            answer = await made.infer(base, asked, model_name="line", headers=dict(bearer))
            found.append(answer.outputs[0].as_numpy().tolist())
        return found

    return asyncio.run(ask())


def mlserver(port: int, key: str) -> list[object]:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": ROW}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        asked, answered = folder / "in.jsonl", folder / "out.jsonl"
        asked.write_text(json.dumps({"inputs": [tensor]}) + "\n", "utf-8")
        program = str(Path(sys.executable).with_name("mlserver"))
        command = [program, "infer", "-u", f"127.0.0.1:{port}", "-m", "line", "-i", str(asked)]
        options = ["-o", str(answered), "-H", f"Authorization: Bearer {key}"]
        ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if ended.returncode:
            sys.exit(ended.stderr[-2000:])
        return [json.loads(line)["outputs"][0]["data"] for line in answered.read_text("utf-8").splitlines()]


def openai(port: int, key: str) -> list[object]:
    from openai import AuthenticationError, NotFoundError, OpenAI

    base = f"http://127.0.0.1:{port}/v1"
    asked = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    found: list[object] = []
    with OpenAI(api_key=key, base_url=base) as made:
        found.append([one.id for one in made.models.list()])
        answer = made.chat.completions.create(**asked)
        found += [answer.choices[0].message.content, answer.usage.total_tokens]
        words = [
            one.choices[0].delta.content or ""
            for one in made.chat.completions.create(**asked, stream=True)
            if one.choices
        ]
        found.append("".join(words))
        try:
            made.chat.completions.create(**asked | {"model": "secret"})
        except NotFoundError as refused:
            found.append(refused.body["message"])
    with OpenAI(api_key="nobody", base_url=base) as made:
        try:
            made.models.list()
        except AuthenticationError as refused:
            found.append(refused.status_code)
    return found


CLIENTS = {
    "triton": triton,
    "triton-aio": triton_aio,
    "kserve": kserve,
    "mlserver": mlserver,
    "openai": openai,
}

if __name__ == "__main__":
    print(json.dumps(CLIENTS[sys.argv[1]](int(sys.argv[2]), sys.argv[3])))
