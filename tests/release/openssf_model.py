"""The model that the bundles beside this file were made for, and how they were made.

`python -m tests.release.openssf_model` makes them anew with the `model_signing` CLI of bench/signing_env.py and
throws the private keys away. What its command line has no option for is asked of its library.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

BUNDLES = Path(__file__).parent / "openssf"
COMMAND = Path(__file__).parents[2] / "bench" / ".signing" / "bin" / "model_signing"

FILES = {
    "weights.bin": bytes(range(256)) * 40,
    "sub/config.json": b"{}",
    "sub.d/empty": b"",  # sorts before sub/ as text, and after it by parts of the path
    "ünï code %41.txt": b"a name that is not ASCII",
    ".gitignore": b"*.tmp\n",
    ".git/config": b"[core]\n",
}

API = """
import sys, pathlib, model_signing
key, model, out, how, algorithm = sys.argv[1:]
hashing = model_signing.hashing.Config()
(hashing.use_shard_serialization if how == "shards" else hashing.use_file_serialization)(hashing_algorithm=algorithm)
signing = model_signing.signing.Config().set_hashing_config(hashing)
signing.use_elliptic_key_signer(private_key=pathlib.Path(key)).sign(pathlib.Path(model), pathlib.Path(out))
"""

EXTENSIONS = """
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
[notsigning]
keyUsage = critical, keyAgreement
"""


def make_model(folder: Path) -> Path:
    """The model's folder."""
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def main() -> None:
    """Write every bundle, key and certificate."""
    BUNDLES.mkdir(exist_ok=True)
    with TemporaryDirectory() as made:
        folder = Path(made)
        model = make_model(folder / "model")
        for curve, name in (("prime256v1", "p256"), ("secp384r1", "p384"), ("secp521r1", "p521")):
            openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", folder / f"{name}.pem")
            openssl("ec", "-in", folder / f"{name}.pem", "-pubout", "-out", BUNDLES / f"{name}.pem")
            by_key = ("sign", "key", "--private_key", folder / f"{name}.pem")
            signs(*by_key, "--signature", BUNDLES / f"{name}.json", model)
        by_key = ("sign", "key", "--private_key", folder / "p256.pem")
        signs(*by_key, "--signature", BUNDLES / "file.json", model / "weights.bin")
        signs(*by_key, "--no-ignore-git-paths", "--signature", BUNDLES / "with_git.json", model)
        ignored = ("--ignore-paths", model / "sub")
        signs(*by_key, *ignored, "--signature", BUNDLES / "without_sub.json", model)
        for how, algorithm in (("files", "blake2"), ("files", "blake3"), ("shards", "sha256")):
            out = BUNDLES / f"{how}_{algorithm}.json"
            python = str(COMMAND.with_name("python"))
            run(python, "-c", API, folder / "p256.pem", model, out, how, algorithm)
        certified(folder, model)


def certified(folder: Path, model: Path) -> None:
    """A root, an authority below it, and bundles by who has certificates from it."""
    (folder / "x").write_text(EXTENSIONS, "utf-8")
    days = ("-days", "36500", "-extfile", folder / "x")
    before = ("root", "root", "root"), ("authority", "root", "root"), ("signer", "authority", "leaf")
    for name, issuer, kind in (*before, ("other", "authority", "notsigning")):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"{name}.key")
        openssl("req", "-new", "-key", folder / f"{name}.key", "-subj", f"/CN={name}", "-out", folder / "csr")
        by = ("-signkey", folder / "root.key") if name == "root" else signed_by(folder, issuer)
        openssl("x509", "-req", "-in", folder / "csr", *by, *days, "-extensions", kind, "-out", folder / name)
    (BUNDLES / "root.pem").write_bytes((folder / "root").read_bytes())
    for name in ("signer", "other"):
        key = ("--private_key", folder / f"{name}.key", "--signing_certificate", folder / name)
        chain = ("--certificate_chain", folder / "authority")
        signs("sign", "certificate", *key, *chain, "--signature", BUNDLES / f"by_{name}.json", model)


def signed_by(folder: Path, issuer: str) -> tuple[str | Path, ...]:
    """How `openssl x509` is told who signs."""
    return ("-CA", folder / issuer, "-CAkey", folder / f"{issuer}.key", "-CAcreateserial")


def openssl(*arguments: str | Path) -> None:
    """Run `openssl`."""
    run("openssl", *arguments)


def signs(*arguments: str | Path) -> None:
    """Run `model_signing`."""
    run(str(COMMAND), *arguments)


def run(command: str, *arguments: str | Path) -> None:
    """Run a command whose output nobody needs, unless it fails."""
    ended = subprocess.run([command, *arguments], check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{command} {arguments}: {ended.stdout}{ended.stderr}")


if __name__ == "__main__":
    main()
