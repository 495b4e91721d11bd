"""Libraries that a command starts without are there when they are needed."""

import subprocess
import sys

import pytest

CODE = """
import sys
from aggregation_pipeline.cli.late_imports import import_late
import_late()
import dagster_postgres.utils, pymysql._auth
print(sorted({"alembic", "cryptography"} & set(sys.modules)))

config = dagster_postgres.utils.pg_alembic_config(dagster_postgres.__file__)
import alembic.config
print(type(config) is alembic.config.Config)

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
key = rsa.generate_private_key(65537, 2048)
text = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
sent = pymysql._auth.sha2_rsa_encrypt(b"secret", b"\\0" * 20, text)
print(key.decrypt(sent, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)))
"""


@pytest.mark.slow
def test_migrations_and_encrypted_passwords_work_in_a_command_that_starts_without_their_libraries():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True", repr(b"secret\0")]
