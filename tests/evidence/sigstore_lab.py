"""A Sigstore of the tests' own: a certificate authority, a certificate log and a public log, all on this machine.

What it signs has the form that Sigstore's public services give it, so that Sigstore's own client verifies it offline.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cd4ml.evidence.bundles import BUNDLE_TYPE
from cd4ml.evidence.dsse import authenticated
from cd4ml.evidence.statement import PAYLOAD_TYPE, Statement

ISSUER: Final = "https://token.actions.githubusercontent.com"
WORKFLOW: Final = "https://github.com/OWNER/cd4ml/.github/workflows/pipeline.yml@refs/tags/v1"
REPOSITORY: Final = "OWNER/credit"
_FULCIO: Final = "1.3.6.1.4.1.57264.1."
_SCTS: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_DAY: Final = datetime.timedelta(days=1)
# What none of its keys is for.
_NO_USAGE: Final = dict.fromkeys(
    (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_spki(key)).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(kw_only=True)
class Sigstore:
    """Signs as any workflow."""

    authority_key: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    certificate_log: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    log: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    now: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        """Make the authority's certificate."""
        name = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lab"), x509.NameAttribute(NameOID.COMMON_NAME, "lab")]
        )
        public = self.authority_key.public_key()
        self.authority = (
            x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=public)
            .serial_number(1)
            .not_valid_before(self.now - _DAY)
            .not_valid_after(self.now + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_NO_USAGE), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority_key, SHA256())
        )

    def trusted_root(self, path: Path) -> Path:
        """Write whom to trust."""
        valid = {"start": (self.now - _DAY).isoformat().replace("+00:00", "Z")}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            public = {"rawBytes": _text(_spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid}
            return {
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": public,
                "logId": {"keyId": _text(_id(key))},
            }

        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log)],
            "ctlogs": [log(self.certificate_log)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "lab", "commonName": "lab"},
                    "uri": "https://ca.example",
                    "certChain": {"certificates": [{"rawBytes": _text(self.authority.public_bytes(Encoding.DER))}]},
                    "validFor": valid,
                }
            ],
            "timestampAuthorities": [],
        }
        path.write_text(json.dumps(document))
        return path

    def signed(
        self,
        statement: Statement,
        *,
        commit: str,
        workflow: str = WORKFLOW,
        repository: str = REPOSITORY,
        issuer: str = ISSUER,
    ) -> bytes:
        """Return a statement signed as a workflow, as a bundle."""
        key = _key()
        certificate = self._certificate(
            key, {"1": issuer, "5": repository, **({"3": commit} if commit else {})}, workflow
        )
        payload = statement.payload
        signature = key.sign(authenticated(PAYLOAD_TYPE, payload), ec.ECDSA(SHA256()))
        envelope = {"payload": _text(payload), "payloadType": PAYLOAD_TYPE, "signatures": [{"sig": _text(signature)}]}
        document = {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {
                "certificate": {"rawBytes": _text(certificate.public_bytes(Encoding.DER))},
                "tlogEntries": [self._entry(certificate, payload, signature, envelope)],
            },
            "dsseEnvelope": envelope,
        }
        return json.dumps(document).encode()

    def _certificate(self, key: ec.EllipticCurvePrivateKey, says: dict[str, str], workflow: str) -> x509.Certificate:
        """Return a certificate of some minutes, which the certificate log has taken."""
        issuer_key = self.authority_key.public_key()
        builder = (
            x509.CertificateBuilder(issuer_name=self.authority.subject, subject_name=x509.Name([]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - datetime.timedelta(minutes=1))
            .not_valid_after(self.now + datetime.timedelta(minutes=9))
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_NO_USAGE), critical=True
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(workflow)]), critical=True)
        )
        for number, value in says.items():
            oid = x509.ObjectIdentifier(_FULCIO + number)
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value.encode()), critical=False)
        before = builder.sign(self.authority_key, SHA256()).tbs_certificate_bytes
        return builder.add_extension(x509.UnrecognizedExtension(_SCTS, self._promise(before)), critical=False).sign(
            self.authority_key, SHA256()
        )

    def _promise(self, certificate: bytes) -> bytes:
        """Return the certificate log's promise: RFC 6962, section 3.2 and 3.3."""
        at = int(self.now.timestamp() * 1000)
        issuer = hashlib.sha256(_spki(self.authority_key)).digest()
        length = struct.pack(">I", len(certificate))[1:]
        data = struct.pack(">BBQH", 0, 0, at, 1) + issuer + length + certificate + b"\0\0"
        signature = self.certificate_log.sign(data, ec.ECDSA(SHA256()))
        one = b"\0" + _id(self.certificate_log) + struct.pack(">QHBBH", at, 0, 4, 3, len(signature)) + signature
        listed = struct.pack(">HH", len(one) + 2, len(one)) + one
        return b"\x04" + (bytes([len(listed)]) if len(listed) < 128 else bytes([0x81, len(listed)])) + listed

    def _entry(
        self, certificate: x509.Certificate, payload: bytes, signature: bytes, envelope: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the entry of the public log, which holds nothing else."""
        said = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {
                    "algorithm": "sha256",
                    "value": hashlib.sha256(json.dumps(envelope).encode()).hexdigest(),
                },
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                "signatures": [
                    {"signature": _text(signature), "verifier": _text(certificate.public_bytes(Encoding.PEM))}
                ],
            },
        }
        body = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        root, at, key_id = hashlib.sha256(b"\0" + body).digest(), int(self.now.timestamp()), _id(self.log)
        note = f"log.example\n1\n{_text(root)}\n"
        signed_note = self.log.sign(note.encode(), ec.ECDSA(SHA256()))
        promised = {"body": _text(body), "integratedTime": at, "logID": key_id.hex(), "logIndex": 0}
        promise = self.log.sign(
            json.dumps(promised, sort_keys=True, separators=(",", ":")).encode(), ec.ECDSA(SHA256())
        )
        return {
            "logIndex": "0",
            "logId": {"keyId": _text(key_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": _text(promise)},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _text(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.example {_text(key_id[:4] + signed_note)}\n"},
            },
            "canonicalizedBody": _text(body),
        }
