"""Verifies a token of standard input as a Python service does, with PyJWT: by the key set at argv[1]."""
import json
import sys

import jwt

token = sys.stdin.read().strip()
try:
    key = jwt.PyJWKClient(sys.argv[1]).get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token, key, algorithms=["ES256", "EdDSA"], audience="orders", issuer="https://site.test", leeway=60,
        options={"require": ["exp", "iat", "nbf", "sub"]},
    )
except jwt.PyJWTError as e:
    print(json.dumps({"error": type(e).__name__}))
else:
    print(json.dumps(claims))
