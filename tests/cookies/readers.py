"""Reads Cookie fields as Python's web frameworks read them, for the Go test beside it.

Each line of the input is a JSON array of requests, and each request an array of the values of
its Cookie fields, in base64. The answer is a line too: an object that has an array for each
reader, and in it for each request the cookies by name, each with all its values; null where
the reader refused the fields. The arguments name the readers; without any, all are used.
"""

import base64
import io
import json
import logging
import sys
from http.cookies import SimpleCookie

logging.disable(logging.CRITICAL)  # some readers log what they skip

# By what WSGI servers join several fields: gunicorn and wsgiref, waitress, and nginx before uWSGI.
JOINTS = (",", ", ", "; ")


def singles(cookies):
    return {name: [value] for name, value in cookies.items()}


def merged(readings):
    """Makes one of several readings of one request."""
    merged = {}
    for reading in readings:
        for name, values in reading.items():
            merged.setdefault(name, []).extend(values)
    return merged


def wsgi(read):
    """Makes a reader of one that takes a WSGI environment."""

    def read_fields(fields):
        texts = [field.decode("latin-1") for field in fields]
        joined = {joint.join(texts) for joint in JOINTS} if texts else {None}
        return merged(read(environ(text)) for text in sorted(joined, key=str))

    return read_fields


def environ(cookie):
    env = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "",
           "SERVER_NAME": "site.test", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO()}
    return env if cookie is None else env | {"HTTP_COOKIE": cookie}


def scope(fields):
    return {"type": "http", "method": "GET", "path": "/", "query_string": b"", "root_path": "",
            "headers": [(b"cookie", field) for field in fields]}


def simple_cookie():
    def read(env):
        cookies = SimpleCookie(env.get("HTTP_COOKIE", ""))
        return {name: [morsel.value] for name, morsel in cookies.items()}

    yield f"http.cookies {sys.version_info.major}.{sys.version_info.minor}", wsgi(read)


def django():
    import django
    from django.conf import settings
    from django.core.handlers.asgi import ASGIRequest
    from django.core.handlers.wsgi import WSGIRequest

    settings.configure(ALLOWED_HOSTS=["*"])
    version = ".".join(django.get_version().split(".")[:2])
    yield f"Django {version} WSGI", wsgi(lambda env: singles(WSGIRequest(env).COOKIES))
    yield f"Django {version} ASGI", lambda fields: singles(ASGIRequest(scope(fields), None).COOKIES)


def werkzeug():
    from werkzeug.wrappers import Request

    yield "Werkzeug", wsgi(lambda env: dict(Request(env).cookies.lists()))


def webob():
    from webob import Request

    yield "WebOb", wsgi(lambda env: singles(Request(env).cookies))


def starlette():
    from starlette.requests import Request

    yield "Starlette", lambda fields: singles(Request(scope(fields)).cookies)


def tornado():
    from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

    start = RequestStartLine("GET", "/", "HTTP/1.1")

    def read(fields):
        headers = HTTPHeaders({"Host": "site.test"})
        for field in fields:
            headers.add("Cookie", field.decode("latin-1"))
        request = HTTPServerRequest(start_line=start, headers=headers)
        return {name: [morsel.value] for name, morsel in request.cookies.items()}

    yield "Tornado", read


def aiohttp():
    from aiohttp.test_utils import make_mocked_request
    from multidict import CIMultiDict

    request = make_mocked_request("GET", "/")

    def read(fields):
        headers = CIMultiDict(("Cookie", field.decode("utf-8", "surrogateescape")) for field in fields)
        return singles(request.clone(headers=headers).cookies)

    yield "aiohttp", read


FRAMEWORKS = (simple_cookie, django, werkzeug, webob, starlette, tornado, aiohttp)


def attempt(read, fields):
    try:
        return read(fields)
    except Exception:
        return None


def main(names):
    readers = dict(reader for framework in FRAMEWORKS if not names or framework.__name__ in names for reader in framework())
    for line in sys.stdin:
        requests = [[base64.b64decode(field) for field in request] for request in json.loads(line)]
        answer = {name: [attempt(read, fields) for fields in requests] for name, read in readers.items()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
