"""The Python `anthropic` SDK through Coretap: stream, tools, images, structured output, errors as its own exceptions.

Usage: anthropic_sdk.py CORETAP KEY MODEL SIMULATOR. Ends with a failed assertion or `ok`.
"""

import base64
import json
import sys

import anthropic

from simulator import PDF, PNG, faults, no_faults

address, key, model, simulator = sys.argv[1:5]
client = anthropic.Anthropic(base_url=address, auth_token=key, api_key=None, max_retries=0)
WORDS = "früh – 李 – 🙂 plum-4712"
READ_FILE = {
    "name": "read_file",
    "description": "Reads a text file",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}


def ask(content, **more):
    return client.messages.create(
        model=model, max_tokens=1024, messages=[{"role": "user", "content": content}], **more
    )


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def chat():
    answer = ask("Repeat the word plum-4711", system="Be brief.")
    assert "plum-4711" in text_of(answer), answer
    assert answer.model == model, answer.model
    assert answer.stop_reason == "end_turn", answer
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer.usage


def stream():
    with client.messages.stream(
        model=model, max_tokens=1024, messages=[{"role": "user", "content": f"Repeat the words {WORDS}"}]
    ) as events:
        text = "".join(events.text_stream)
        final = events.get_final_message()
    assert WORDS in text, text
    assert text_of(final) == text
    assert final.stop_reason == "end_turn", final
    assert final.usage.input_tokens > 0 and final.usage.output_tokens > 0, final.usage


def tools(streamed):
    def turn(messages):
        request = {"model": model, "max_tokens": 1024, "tools": [READ_FILE], "messages": messages}
        if not streamed:
            return client.messages.create(**request)
        with client.messages.stream(**request) as events:
            return events.get_final_message()

    messages = [{"role": "user", "content": "Read the files plum.txt and pear.txt"}]
    asked = turn(messages)
    calls = [block for block in asked.content if block.type == "tool_use"]
    assert asked.stop_reason == "tool_use", asked
    assert len(calls) == 2 and len({call.id for call in calls}) == 2, asked
    assert {call.input["path"].rsplit("/", 1)[-1] for call in calls} == {"plum.txt", "pear.txt"}, calls
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"{call.input['path']} weighs 93 grams"}
        for call in calls
    ]
    messages += [
        {"role": "assistant", "content": [block.to_dict() for block in asked.content]},
        {"role": "user", "content": results},
    ]
    answered = turn(messages)
    for call in calls:
        assert f"{call.input['path']} weighs 93 grams" in text_of(answered), answered


def one_tool_at_a_time():
    choice = {"type": "any", "disable_parallel_tool_use": True}
    asked = ask("Read the files plum.txt and pear.txt", tools=[READ_FILE], tool_choice=choice)
    assert len([block for block in asked.content if block.type == "tool_use"]) == 1, asked


def images():
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    answer = ask([{"type": "image", "source": source}, {"type": "text", "text": "What do you see?"}])
    assert "image/png" in text_of(answer) and "8x8" in text_of(answer), answer


def image_in_a_tool_result():
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    answer = client.messages.create(
        model=model,
        max_tokens=1024,
        tools=[READ_FILE],
        messages=[
            {"role": "user", "content": "Read the file plum.png"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {"path": "plum.png"}}],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "a picture"}, {"type": "image", "source": source}],
                    }
                ],
            },
        ],
    )
    assert "image/png" in text_of(answer) and "8x8" in text_of(answer), answer


def documents():
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(PDF).decode()}
    answer = ask([{"type": "document", "source": source}, {"type": "text", "text": "What do you see?"}])
    assert "application/pdf" in text_of(answer), answer


def structured_output():
    schema = {
        "type": "object",
        "properties": {"fruit": {"type": "string", "enum": ["plum", "pear"]}, "grams": {"type": "integer"}},
        "required": ["fruit", "grams"],
        "additionalProperties": False,
    }
    answer = ask("How heavy is it?", output_config={"format": {"type": "json_schema", "schema": schema}})
    value = json.loads(text_of(answer))
    assert set(value) == {"fruit", "grams"} and isinstance(value["grams"], int), value


def thinking():
    """Claude's thinking comes first, signed, and goes back as it came."""
    request = {
        "model": model,
        "max_tokens": 4096,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "tools": [READ_FILE],
    }
    messages = [{"role": "user", "content": "Read the file plum.txt"}]
    with client.messages.stream(messages=messages, **request) as events:
        asked = events.get_final_message()
    assert asked.content[0].type == "thinking" and asked.content[0].signature, asked
    call = asked.content[-1]
    assert call.type == "tool_use", asked
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "the plum weighs 93 grams"}
    messages += [
        {"role": "assistant", "content": [block.to_dict() for block in asked.content]},
        {"role": "user", "content": [result]},
    ]
    answered = client.messages.create(messages=messages, **request)
    assert "the plum weighs 93 grams" in text_of(answered), answered


def caching():
    """What was marked is written to the cache once, and read from it after."""
    system = [{"type": "text", "text": "Be brief. " * 1500, "cache_control": {"type": "ephemeral"}}]
    written = ask("Repeat the word plum-4711", system=system).usage
    read = ask("Repeat the word plum-4712", system=system).usage
    assert written.cache_creation_input_tokens > 1000, written
    assert read.cache_read_input_tokens > 1000, read
    assert read.input_tokens < 1000, read


def stop_sequences():
    answer = ask("Repeat the words plum STOPHERE pear", stop_sequences=["STOPHERE"])
    assert "plum" in text_of(answer) and "pear" not in text_of(answer), answer


def count_tokens():
    count = client.messages.count_tokens(model=model, messages=[{"role": "user", "content": "How many?"}])
    assert count.input_tokens >= 1, count


def models():
    # Claude models go by the names that Anthropic's own clients know them by.
    listed = [entry.id for entry in client.models.list()]
    assert "claude-sonnet-4-5" in listed and "gpt-4o" in listed, listed


def errors():
    def refused(exception, call):
        try:
            call()
        except exception as error:
            return error
        raise AssertionError(f"{exception.__name__} was expected")

    stranger = anthropic.Anthropic(base_url=address, api_key="wrong", auth_token=None, max_retries=0)
    error = refused(
        anthropic.AuthenticationError,
        lambda: stranger.messages.create(model=model, max_tokens=9, messages=[{"role": "user", "content": "Hi"}]),
    )
    assert error.response.headers["x-should-retry"] == "false", error.response.headers
    assert error.body["error"]["type"] == "authentication_error", error.body

    error = refused(
        anthropic.NotFoundError,
        lambda: client.messages.create(
            model="no-such-model", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        ),
    )
    assert error.body["error"]["type"] == "not_found_error", error.body
    assert "no-such-model" in str(error) and "claude-4.5-sonnet" in str(error), error

    faults(simulator, [{"route": "inference", "fault": "status", "status": 400, "text": "plum: Input should be ripe"}])
    error = refused(anthropic.BadRequestError, lambda: ask("Hi"))
    assert "plum: Input should be ripe" in error.body["error"]["message"], error.body
    assert error.body["error"]["type"] == "invalid_request_error", error.body

    faults(simulator, [{"route": "inference", "fault": "status", "status": 429, "retry_after": 37, "times": 9}])
    error = refused(anthropic.RateLimitError, lambda: ask("Hi"))
    assert error.response.headers["retry-after"] == "37", error.response.headers
    assert error.body["error"]["type"] == "rate_limit_error", error.body
    no_faults(simulator)
    chat()


chat()
stream()
tools(streamed=False)
tools(streamed=True)
one_tool_at_a_time()
images()
image_in_a_tool_result()
if "claude" in model:
    documents()
    thinking()
    caching()
    stop_sequences()
structured_output()
count_tokens()
models()
errors()
print("ok")
