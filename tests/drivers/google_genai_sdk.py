"""The Python `google-genai` SDK through Coretap: stream, tools, images, structured output, thinking, tokens, embeddings, models.

Usage: google_genai_sdk.py CORETAP KEY MODEL SIMULATOR MODE. Ends with a failed assertion or `ok`.
"""

import sys

import pydantic
from google import genai
from google.genai import errors as refusals
from google.genai import types

from simulator import PNG, faults, no_faults

address, key, model, simulator, mode = sys.argv[1:6]


def client_with(api_key):
    return genai.Client(api_key=api_key, http_options=types.HttpOptions(base_url=address))


client = client_with(key)
WORDS = "früh – 李 – 🙂 plum-4712"
# GPT models keep what they think to themselves, and so does everybody but Claude in orchestration.
THINKS = "claude" in model or (mode == "Foundation" and model.startswith("gemini"))
EMBEDDER = "text-embedding-3-small"
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ_FILE = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="read_file", description="Reads a text file", parameters_json_schema=SCHEMA)
    ]
)


class Weight(pydantic.BaseModel):
    fruit: str
    grams: int


def config(**more):
    return types.GenerateContentConfig(
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **more
    )


def ask(contents, **more):
    return client.models.generate_content(model=model, contents=contents, config=config(**more))


def refused(code, call):
    try:
        call()
    except refusals.APIError as error:
        assert error.code == code, error
        return error
    raise AssertionError(f"an error {code} was expected")


def said(parts):
    return "".join(part.text for part in parts if part.text and not part.thought)


def plain():
    answer = ask("Repeat the word plum-4711", system_instruction="Be brief.")
    assert "plum-4711" in answer.text, answer
    assert answer.model_version == model, answer.model_version
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP, answer
    usage = answer.usage_metadata
    assert usage.prompt_token_count > 0 and usage.candidates_token_count > 0, usage


def stream():
    text, last = "", None
    for last in client.models.generate_content_stream(model=model, contents=f"Repeat the words {WORDS}"):
        text += last.text or ""
    assert WORDS in text, text
    assert last.candidates[0].finish_reason == types.FinishReason.STOP, last
    assert last.usage_metadata.prompt_token_count > 0 and last.usage_metadata.candidates_token_count > 0, last


def tools(streamed, **more):
    def turn(contents):
        request = {"model": model, "contents": contents, "config": config(tools=[READ_FILE], **more)}
        if not streamed:
            return client.models.generate_content(**request).candidates[0].content
        parts = []
        for chunk in client.models.generate_content_stream(**request):
            parts += chunk.candidates[0].content.parts or []
        return types.Content(role="model", parts=parts)

    question = "Read the files plum.txt and pear.txt"
    contents = [types.Content(role="user", parts=[types.Part.from_text(text=question)])]
    asked = turn(contents)
    calls = [part.function_call for part in asked.parts if part.function_call]
    paths = [call.args["path"] for call in calls]
    assert {path.rsplit("/", 1)[-1] for path in paths} == {"plum.txt", "pear.txt"}, asked
    results = []
    for call, path in zip(calls, paths):
        result = types.Part.from_function_response(name=call.name, response={"output": f"{path} weighs 93 grams"})
        # An id is given back where there was one.
        result.function_response.id = call.id
        results.append(result)
    # What the model said goes back as it came, with the signatures of its thoughts.
    answered = turn([*contents, asked, types.Content(role="user", parts=results)])
    for path in paths:
        assert f"{path} weighs 93 grams" in said(answered.parts), answered
    return asked


def tools_that_the_sdk_runs():
    def read_file(path: str) -> str:
        """Reads a text file.

        Args:
            path: where it is
        """
        return f"{path} weighs 93 grams"

    answer = client.models.generate_content(
        model=model, contents="Read the file plum.txt", config=types.GenerateContentConfig(tools=[read_file])
    )
    assert "plum.txt weighs 93 grams" in answer.text, answer


def a_tool_that_must_be_called():
    calling = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["read_file"])
    asked = ask("Read the file plum.txt", tools=[READ_FILE], tool_config=types.ToolConfig(function_calling_config=calling))
    assert [call.name for call in asked.function_calls] == ["read_file"], asked


def images():
    answer = ask([types.Part.from_bytes(data=PNG, mime_type="image/png"), "What do you see?"])
    assert "image/png" in answer.text and "8x8" in answer.text, answer


def structured_output():
    answer = ask("How heavy is it?", response_mime_type="application/json", response_schema=Weight)
    assert isinstance(answer.parsed, Weight), answer
    schema = Weight.model_json_schema()
    answer = ask("How heavy is it?", response_mime_type="application/json", response_json_schema=schema)
    assert Weight.model_validate_json(answer.text), answer


def thinking():
    """What it thought comes first, and is no part of what it says."""
    wish = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    answer = ask("Repeat the word plum-4711", thinking_config=wish)
    parts = answer.candidates[0].content.parts
    assert parts[0].thought and parts[0].text, answer
    assert "plum-4711" in answer.text, answer
    for streamed in [False, True]:
        asked = tools(streamed, thinking_config=wish)
        assert any(part.thought_signature for part in asked.parts), asked


def tokens():
    assert client.models.count_tokens(model=model, contents="How many?").total_tokens >= 1


def embeddings():
    vectors = client.models.embed_content(model=EMBEDDER, contents=["früh – 李 – 🙂", "plum"]).embeddings
    assert [len(vector.values) for vector in vectors] == [1536, 1536], vectors
    alone = client.models.embed_content(
        model=EMBEDDER, contents="plum", config=types.EmbedContentConfig(output_dimensionality=256)
    )
    assert [len(vector.values) for vector in alone.embeddings] == [256], alone


def models():
    listed = {entry.name.removeprefix("models/"): entry for entry in client.models.list()}
    assert "gpt-4o" in listed and EMBEDDER in listed, listed.keys()
    assert client.models.get(model="gpt-4o").name == "models/gpt-4o"


def errors():
    stranger = client_with("wrong")
    error = refused(401, lambda: stranger.models.generate_content(model=model, contents="Hi"))
    assert error.status == "UNAUTHENTICATED", error

    error = refused(404, lambda: client.models.generate_content(model="no-such-model", contents="Hi"))
    assert error.status == "NOT_FOUND" and "no-such-model" in error.message, error

    faults(simulator, [{"route": "inference", "fault": "status", "status": 400, "text": "plum: Input should be ripe"}])
    error = refused(400, lambda: ask("Hi"))
    assert error.status == "INVALID_ARGUMENT" and "plum: Input should be ripe" in error.message, error

    faults(simulator, [{"route": "inference", "fault": "status", "status": 429, "retry_after": 37, "times": 9}])
    error = refused(429, lambda: ask("Hi"))
    assert error.status == "RESOURCE_EXHAUSTED", error
    assert error.response.headers["retry-after"] == "37", error.response.headers
    no_faults(simulator)
    plain()


plain()
stream()
tools(streamed=False)
tools(streamed=True)
tools_that_the_sdk_runs()
a_tool_that_must_be_called()
images()
structured_output()
if THINKS:
    thinking()
tokens()
embeddings()
models()
errors()
print("ok")
