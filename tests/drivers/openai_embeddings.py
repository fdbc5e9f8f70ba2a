"""Embeddings with the Python `openai` SDK through Coretap: its own base64 and plain floats, lists, dimensions, errors.

Usage: openai_embeddings.py CORETAP KEY MODEL SIMULATOR MODE. Ends with a failed assertion or `ok`.
"""

import math
import sys

import openai

from simulator import faults, no_faults

address, key, model, simulator, mode = sys.argv[1:6]
client = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
TEXTS = ["früh – 李 – 🙂", 'a {{?placeholder}} and "quotes"\nand a second line']


def embed(text, **more):
    return client.embeddings.create(model=model, input=text, **more)


def refused(exception, call):
    try:
        call()
    except exception as error:
        return error
    raise AssertionError(f"{exception.__name__} was expected")


def vectors():
    # The SDK asks for base64 by itself and unpacks it.
    packed = embed(TEXTS)
    assert packed.model == model and packed.object == "list", packed
    assert packed.usage.prompt_tokens > 0 and packed.usage.total_tokens > 0, packed.usage
    assert [entry.index for entry in packed.data] == [0, 1], packed
    plain = embed(TEXTS, encoding_format="float")
    for one, other in zip(packed.data, plain.data):
        assert len(one.embedding) == 1536, len(one.embedding)
        assert all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(one.embedding, other.embedding))
    alone = embed(TEXTS[0], encoding_format="float")
    assert alone.data[0].embedding == plain.data[0].embedding
    short = embed(TEXTS[0], dimensions=256)
    assert len(short.data[0].embedding) == 256, len(short.data[0].embedding)


def tokens():
    if mode == "Foundation":
        assert len(embed([[1, 2, 3], [4]]).data) == 2
        assert len(embed([1, 2, 3]).data) == 1
        return
    error = refused(openai.BadRequestError, lambda: embed([1, 2, 3]))
    assert "takes text only" in error.message and error.param == "input", error.body


def models():
    listed = {entry.id: entry for entry in client.models.list()}
    assert "text-embedding-3-small" in listed and "gpt-4o" in listed, listed
    assert client.models.retrieve(model).id == model


def errors():
    error = refused(openai.BadRequestError, lambda: embed([]))
    assert error.param == "input" and "at least one" in error.message, error.body
    error = refused(openai.BadRequestError, lambda: client.embeddings.create(model="gpt-4o", input="a"))
    assert error.code == "ROUTE-MODEL-PURPOSE" and model in error.message, error.body
    say = [{"role": "user", "content": "Hi"}]
    error = refused(openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=say))
    assert error.code == "ROUTE-MODEL-PURPOSE", error.body
    error = refused(openai.NotFoundError, lambda: client.embeddings.create(model="text-embedding-9", input="a"))
    assert error.code.startswith("ROUTE-") and model in error.message, error.body

    busy = {"route": "inference", "fault": "status", "status": 503, "times": 2}
    faults(simulator, [busy])
    vectors()
    faults(simulator, [{"route": "inference", "fault": "status", "status": 429, "retry_after": 37, "times": 9}])
    error = refused(openai.RateLimitError, lambda: embed("a"))
    assert error.response.headers["retry-after"] == "37", error.response.headers
    no_faults(simulator)
    vectors()


vectors()
tokens()
models()
errors()
print("ok")
