"""The layers: compiled, reproducible, small, for either processor; their makefiles say plainly what they lack."""

import json
import marshal
import os
import runpy
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type

from local import building
from local.environment import VENVS
from tests.unit.template.cloudformation import REPOSITORY

_LAYERS = REPOSITORY / "layers"
_HASH_ROOTS = _LAYERS / "dependencies" / "hash_roots.py"
_MAX_BYTES = 45_000_000  # bytes, unpacked, compiled files included; the SDK comes with the runtime


def make(layer: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(_LAYERS / layer), *arguments],  # noqa: S607 - the one that sam build finds
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable} | variables,
    )


def build(target: Path) -> dict[str, bytes]:
    done = make("cardintake", "build-CardintakeLayer", ARTIFACTS_DIR=str(target))
    assert done.returncode == 0, done.stderr
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_our_layer_is_compiled_the_same_everywhere(tmp_path: Path) -> None:
    first, second = build(tmp_path / "here"), build(tmp_path / "some where else")
    assert first == second
    sources = {name for name in first if name.endswith(".py")}
    compiled = {name: content for name, content in first.items() if name.endswith(".pyc")}
    assert "python/cardintake/intake.py" in sources
    assert len(compiled) == len(sources)
    for name, content in compiled.items():
        # PEP 552: flag 1 says that the next eight bytes are the source's hash, flag 2 that they have to be checked
        assert int.from_bytes(content[4:8], "little") == 1, name
        assert marshal.loads(content[16:]).co_filename.startswith("/opt/python/cardintake/")  # noqa: S302 - just made


@pytest.mark.parametrize(
    ("layer", "machine"), [("DependenciesArm64Layer", "aarch64"), ("DependenciesX86Layer", "x86_64")]
)
def test_the_dependencies_are_wheels_with_hashes_for_the_processor(layer: str, machine: str) -> None:
    done = make("dependencies", "--dry-run", f"build-{layer}", ARTIFACTS_DIR="/nowhere")
    assert done.returncode == 0, done.stderr
    install = next(line for line in done.stdout.replace("\\\n", " ").splitlines() if "pip install" in line).split()
    assert {"--require-hashes", "--only-binary=:all:", "requirements.txt"} <= set(install)
    assert install[install.index("--python-version") + 1] == "3.13"
    assert install[install.index("--implementation") + 1] == "cp"
    platforms = {value for option, value in pairwise(install) if option == "--platform"}
    assert {platform.removesuffix(f"_{machine}") for platform in platforms} >= {"manylinux2014", "manylinux_2_28"}
    for platform in platforms - {f"manylinux2014_{machine}"}:
        _, major, minor, *_ = platform.split("_")
        assert (int(major), int(minor)) <= (2, 34), "Amazon Linux 2023 has glibc 2.34"


def test_every_requirement_is_pinned_with_hashes() -> None:
    lines = (
        (_LAYERS / "dependencies" / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    )
    requirements = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(requirements) >= 5
    for line in requirements:
        assert "==" in line.split()[0]
        assert "--hash=sha256:" in line
    names = {line.partition("==")[0] for line in requirements}
    assert not names & {"boto3", "botocore"}, "they come with the runtime"


@pytest.mark.parametrize(
    ("layer", "target"), [("dependencies", "DependenciesX86Layer"), ("cardintake", "CardintakeLayer")]
)
def test_a_missing_python_is_said(layer: str, target: str, tmp_path: Path) -> None:
    done = make(layer, f"build-{target}", PYTHON="/nowhere/python3.13", ARTIFACTS_DIR=str(tmp_path / "layer"))
    assert done.returncode != 0
    assert "needs Python 3.13" in done.stderr
    assert "/nowhere/python3.13" in done.stderr
    assert not (tmp_path / "layer").exists()


# ── The roots, each in a file of its own ──────────────────────────────────────────────────────────────────────────────


def hash_roots(bundle: Path, folder: Path) -> list[Path]:
    subprocess.run([sys.executable, str(_HASH_ROOTS), str(bundle), str(folder)], check=True)
    return sorted(folder.iterdir())


def test_every_root_is_in_a_file_of_its_own(tmp_path: Path) -> None:
    files = hash_roots(Path(certifi.where()), tmp_path / "hashed")
    bundle = ssl.create_default_context(cafile=certifi.where())
    written = ssl.create_default_context(cadata="".join(path.read_text("ascii") for path in files))
    assert sorted(written.get_ca_certs(binary_form=True)) == sorted(bundle.get_ca_certs(binary_form=True))
    assert len(files) == len(bundle.get_ca_certs())
    # as `openssl x509 -subject_hash` names them: ISRG Root X1, DigiCert Global Root G2, Amazon Root CA 1
    assert {"4042bcee.0", "607986c7.0", "ce5e74ef.0"} <= {path.name for path in files}


_NAMES: list[list[tuple[x509.ObjectIdentifier, str, _ASN1Type]]] = [
    [(x509.NameOID.COMMON_NAME, "Plain Root", _ASN1Type.UTF8String)],
    [(x509.NameOID.COMMON_NAME, "  Root   of MANY  spaces ", _ASN1Type.PrintableString)],
    [(x509.NameOID.COMMON_NAME, "\tRoot \t with\ttabs\n", _ASN1Type.UTF8String)],
    [(x509.NameOID.COMMON_NAME, "Raíz ÑANDÚ\u00a0 根", _ASN1Type.UTF8String)],
    [(x509.NameOID.COMMON_NAME, "Wide ROOT 根", _ASN1Type.BMPString)],
    [(x509.NameOID.COMMON_NAME, "Root" * 15, _ASN1Type.UTF8String),
     (x509.NameOID.COUNTRY_NAME, "CN", _ASN1Type.PrintableString),
     (x509.NameOID.ORGANIZATION_NAME, "Org" * 20, _ASN1Type.UTF8String)],
]  # fmt: skip


@pytest.mark.parametrize("several_in_one", [False, True], ids=["one each", "all in one"])
@pytest.mark.parametrize("attributes", _NAMES, ids=[names[0][1].strip() for names in _NAMES])
def test_openssl_finds_a_root_by_the_name_of_its_file(
    attributes: list[tuple[x509.ObjectIdentifier, str, _ASN1Type]], *, several_in_one: bool, tmp_path: Path
) -> None:
    made = [x509.NameAttribute(kind, value, asn1, _validate=False) for kind, value, asn1 in attributes]
    rdns = (
        [x509.RelativeDistinguishedName(made)]
        if several_in_one
        else [x509.RelativeDistinguishedName([a]) for a in made]
    )
    root, server = certificates(x509.Name(rdns), tmp_path)
    hash_roots(root, tmp_path / "hashed")
    shake_hands(server, ssl.create_default_context(capath=tmp_path / "hashed"))


def test_a_root_that_is_not_there_is_not_trusted(tmp_path: Path) -> None:
    _, server = certificates(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another Root")]), tmp_path)
    hash_roots(Path(certifi.where()), tmp_path / "hashed")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, ssl.create_default_context(capath=tmp_path / "hashed"))


def test_of_two_roots_of_one_name_both_are_found(tmp_path: Path) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Twin Root")])
    pairs = [certificates(name, tmp_path / which) for which in ("old", "new")]
    (tmp_path / "both.pem").write_text("".join(root.read_text("ascii") for root, _ in pairs), "ascii")
    files = hash_roots(tmp_path / "both.pem", tmp_path / "hashed")
    assert [path.suffix for path in files] == [".0", ".1"]
    for _, server in pairs:
        shake_hands(server, ssl.create_default_context(capath=tmp_path / "hashed"))


def certificates(name: x509.Name, folder: Path) -> tuple[Path, Path]:
    """A root of this name; and a certificate by it for `server.test`, with its key."""
    folder.mkdir(exist_ok=True)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now, day = datetime.now(UTC), timedelta(days=1)
    signing = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    by_root = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
    )
    root = (
        by_root.subject_name(name)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(signing, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, SHA256())
    )
    leaf = (
        by_root.subject_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("server.test")]), critical=True)
        .sign(root_key, SHA256())
    )
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(private + leaf.public_bytes(Encoding.PEM))
    return folder / "root.pem", folder / "server.pem"


def shake_hands(server: Path, trusting: ssl.SSLContext) -> None:
    """Both sides of a TLS handshake, in memory. Raises ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        trusting.wrap_bio(down, up, server_hostname="server.test"),
        context.wrap_bio(up, down, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass


# ── What is deployed ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def built() -> Path:
    return building.build()


def bytes_of(*folders: Path) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


@pytest.mark.thorough
@pytest.mark.parametrize("dependencies", ["DependenciesArm64Layer", "DependenciesX86Layer"])
def test_what_is_deployed_stays_small(dependencies: str, built: Path) -> None:
    assert bytes_of(built / dependencies, built / "CardintakeLayer") <= _MAX_BYTES
    assert not {"boto3", "botocore"} & {path.name for path in (built / dependencies / "python").iterdir()}


# Notes what the import system compiles from source, and from where, while the application is started whole.
_COLD_START = """
import importlib.machinery, json, sys
compiled = []
compile_source = importlib.machinery.SourceFileLoader.source_to_code
def noted(self, data, path, *args, **kwargs):
    compiled.append(path)
    return compile_source(self, data, path, *args, **kwargs)
importlib.machinery.SourceFileLoader.source_to_code = noted
import app
from cardintake.bootstrap import application
made = application()
made.clients.sqs, made.clients.events, made.sweep, made.backfill, made.replay
imported = [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]
print(json.dumps({"compiled": compiled, "imported": imported}))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("function", ["Backfill", "Quota", "Recognize", "Replay", "Sweep"])
def test_a_cold_start_compiles_nothing_but_the_functions_own_few_lines(function: str, built: Path) -> None:
    """SAM removes compiled files from functions, and never from layers built by a makefile."""
    dependencies = {"x86_64": "DependenciesX86Layer", "arm64": "DependenciesArm64Layer"}[
        building.machine_architecture()
    ]
    path = [built / f"{function}Function", built / "CardintakeLayer" / "python", built / dependencies / "python"]
    environment = {
        "PYTHONPATH": ":".join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "eu-west-1",
        "CARDS_TABLE": "t", "ANSWERS_BUCKET": "a", "EVENT_BUS": "b", "PROVIDERS": "ctyun", "PROVIDERS_SECRET": "s",
        "RETENTION_DAYS": "1",
    }  # fmt: skip
    python = str(VENVS / "runtime" / "bin" / "python")
    done = subprocess.run([python, "-c", _COLD_START], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    ours = {name: [Path(file) for file in seen[name] if file.startswith(str(built))] for name in seen}
    assert ours["compiled"] == [path[0] / "app.py"]
    assert len((path[0] / "app.py").read_text(encoding="utf-8").splitlines()) < 60
    for layer in path[1:]:
        assert any(layer in file.parents for file in ours["imported"]), f"nothing came from {layer}"


@pytest.mark.thorough
def test_the_built_layer_has_the_roots_that_its_bundle_has(built: Path) -> None:
    package = built / "DependenciesX86Layer" / "python" / "certifi"
    subject_hash = runpy.run_path(str(_HASH_ROOTS))["subject_hash"]
    roots = ssl.create_default_context(cafile=package / "cacert.pem").get_ca_certs(binary_form=True)
    assert {path.stem for path in (package / "hashed").iterdir()} == {subject_hash(root) for root in roots}
