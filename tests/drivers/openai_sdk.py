"""The Python `openai` SDK through Coretap: stream, tools, images, structured output, errors as its own exceptions.

Usage: openai_sdk.py CORETAP KEY MODEL SIMULATOR. Ends with a failed assertion or `ok`.
"""

import base64
import json
import sys

import openai

from simulator import PDF, PNG, faults, no_faults

address, key, model, simulator = sys.argv[1:5]
client = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
WORDS = "früh – 李 – 🙂 plum-4712"
READ_FILE = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Reads a text file",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    },
}


def ask(content, **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **more)


def text_of(completion):
    return completion.choices[0].message.content


def chat():
    answer = client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Repeat the word plum-4711"},
        ],
    )
    assert "plum-4711" in text_of(answer), answer
    assert answer.model == model, answer.model
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, answer.usage


def stream():
    text, usage, finish = "", None, None
    for chunk in ask(f"Repeat the words {WORDS}", stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert WORDS in text, text
    assert finish == "stop", finish
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage
    # Nobody asked for usage here, so no chunk may come without a choice.
    assert all(chunk.choices for chunk in ask("Hi", stream=True))


def tools(streamed):
    def turn(messages):
        request = {"model": model, "tools": [READ_FILE], "messages": messages}
        if not streamed:
            return client.chat.completions.create(**request).choices[0]
        with client.chat.completions.stream(**request) as events:
            for _ in events:
                pass
            return events.get_final_completion().choices[0]

    messages = [{"role": "user", "content": "Read the files plum.txt and pear.txt"}]
    asked = turn(messages)
    calls = asked.message.tool_calls
    paths = {call.id: json.loads(call.function.arguments)["path"] for call in calls}
    assert asked.finish_reason == "tool_calls", asked
    assert len(calls) == 2 and len(paths) == 2, asked
    assert {path.rsplit("/", 1)[-1] for path in paths.values()} == {"plum.txt", "pear.txt"}, paths
    if streamed:
        # The SDK's stream helper adds members of its own, which no API takes back.
        functions = [{"name": call.function.name, "arguments": call.function.arguments} for call in calls]
        sent = [{"id": call.id, "type": "function", "function": of} for call, of in zip(calls, functions)]
        messages.append({"role": "assistant", "content": asked.message.content, "tool_calls": sent})
    else:
        # As every example does it: the answer goes back as it came, with all its empty members.
        messages.append(asked.message)
    for call_id, path in paths.items():
        messages.append({"role": "tool", "tool_call_id": call_id, "content": f"{path} weighs 93 grams"})
    answered = turn(messages)
    for path in paths.values():
        assert f"{path} weighs 93 grams" in answered.message.content, answered


def one_tool_at_a_time():
    asked = ask(
        "Read the files plum.txt and pear.txt", tools=[READ_FILE], tool_choice="required", parallel_tool_calls=False
    )
    assert len(asked.choices[0].message.tool_calls) == 1, asked


def images():
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    answer = ask([{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What do you see?"}])
    assert "image/png" in text_of(answer) and "8x8" in text_of(answer), answer


def documents():
    data = "data:application/pdf;base64," + base64.b64encode(PDF).decode()
    file = {"type": "file", "file": {"filename": "plum.pdf", "file_data": data}}
    answer = ask([file, {"type": "text", "text": "What do you see?"}])
    assert "application/pdf" in text_of(answer), answer


def structured_output():
    schema = {
        "type": "object",
        "properties": {"fruit": {"type": "string", "enum": ["plum", "pear"]}, "grams": {"type": "integer"}},
        "required": ["fruit", "grams"],
        "additionalProperties": False,
    }
    answer = ask(
        "How heavy is it?",
        response_format={"type": "json_schema", "json_schema": {"name": "weight", "schema": schema, "strict": True}},
    )
    value = json.loads(text_of(answer))
    assert set(value) == {"fruit", "grams"} and isinstance(value["grams"], int), value


def models():
    listed = [entry.id for entry in client.models.list()]
    assert "gpt-4o" in listed, listed
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def errors():
    def refused(exception, call):
        try:
            call()
        except exception as error:
            return error
        raise AssertionError(f"{exception.__name__} was expected")

    stranger = openai.OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0)
    error = refused(
        openai.AuthenticationError,
        lambda: stranger.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}]),
    )
    assert error.response.headers["x-should-retry"] == "false", error.response.headers

    error = refused(
        openai.NotFoundError,
        lambda: client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hi"}]),
    )
    assert error.code.startswith("ROUTE-"), error.body
    assert "no-such-model" in error.message and "claude-4.5-sonnet" in error.message, error.message

    faults(simulator, [{"route": "inference", "fault": "status", "status": 400, "text": "plum: Input should be ripe"}])
    error = refused(openai.BadRequestError, lambda: ask("Hi"))
    assert "plum: Input should be ripe" in error.message, error.message

    faults(simulator, [{"route": "inference", "fault": "status", "status": 429, "retry_after": 37, "times": 9}])
    error = refused(openai.RateLimitError, lambda: ask("Hi"))
    assert error.response.headers["retry-after"] == "37", error.response.headers
    no_faults(simulator)
    chat()


chat()
stream()
tools(streamed=False)
tools(streamed=True)
one_tool_at_a_time()
images()
if "claude" in model:
    documents()
structured_output()
models()
errors()
print("ok")
